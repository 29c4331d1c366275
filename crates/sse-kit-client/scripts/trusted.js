/**
 * @typedef {object} TrustedTypes what is used of `trustedTypes`, where the browser has them
 * @property {(name: string, rules: object) => Policy} createPolicy
 *
 * @typedef {object} Policy
 * @property {(html: string) => any} createHTML
 * @property {(url: string) => any} createScriptURL
 */

/**
 * Makes markup from the page's own server acceptable to a page with `require-trusted-types-for`. If the page
 * does not allow a policy of this name, strings stay strings, and the browser refuses them.
 *
 * @param {string} name
 * @returns {Policy}
 */
export function policy(name) {
  const rules = { createHTML: String, createScriptURL: String };
  try {
    const { trustedTypes } = /** @type {{trustedTypes?: TrustedTypes}} */ (globalThis);
    return trustedTypes?.createPolicy(name, rules) ?? rules;
  } catch {
    return rules;
  }
}

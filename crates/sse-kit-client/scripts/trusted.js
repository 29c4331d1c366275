/**
 * @typedef {object} TrustedTypes what is used of `trustedTypes`, where the browser has them
 * @property {(name: string, rules: object) => Policy} createPolicy
 *
 * @typedef {object} Policy
 * @property {(html: string) => any} createHTML
 * @property {(url: string) => any} createScriptURL
 */

/**
 * Makes what the page's own server has written acceptable to a page with `require-trusted-types-for`. Where
 * the page does not allow a policy of this name strings stay strings, which the browser then refuses.
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

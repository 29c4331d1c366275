//! One script of many modules.

/// Joins modules, which are in order, in a scope of their own.
///
/// This is no bundler: what is imported has the same name in all modules, and a module exports only
/// what it declares. `import` and `export` stand at the beginning of their lines.
pub(crate) fn joined(modules: &[&str]) -> String {
    let mut script = String::from("(() => {\n'use strict';\n");
    for module in modules {
        push_declarations(&mut script, module);
    }
    script.push_str("})();\n");
    script
}

fn push_declarations(script: &mut String, module: &str) {
    let mut is_import = false;
    for line in module.lines() {
        is_import |= line.starts_with("import ");
        if is_import {
            is_import = !line.ends_with(';');
            continue;
        }
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_and_exports_go_and_all_else_stays() {
        let modules = [
            "export const a = 1;\n",
            "import { a } from './a.js';\nimport {\n  b,\n} from './b.js';\n\n/** B. */\nexport function c() {\n  return 'import ' + a;\n}\n",
        ];
        assert_eq!(
            joined(&modules),
            "(() => {\n'use strict';\nconst a = 1;\n\n/** B. */\nfunction c() {\n  return 'import ' + a;\n}\n})();\n"
        );
    }
}

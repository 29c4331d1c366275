//! Options from the command line, the environment and a file, in this order.
//!
//! An option of the environment or the file becomes an argument, unless the command line has it. So all of
//! them have one parser, the same checks, and the same messages.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

/// The prefix of the variables: `SSE_HUB_HISTORY` is `--history`.
const PREFIX: &str = "SSE_HUB_";

/// The option that names the file.
const CONFIG: &str = "config";

/// The prefixes of variables that Kubernetes sets for a service called `sse-hub`.
const OF_KUBERNETES: &[&str] = &["SSE_HUB_PORT", "SSE_HUB_SERVICE_"];

/// Returns the arguments, with the options that only the environment or the file has.
pub(crate) fn arguments(
    command: &Command,
    given: Vec<OsString>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Vec<OsString>> {
    let file = match file(&given, environment) {
        Some(path) => Table::from_iter(read(&path, command)?),
        None => Table::new(),
    };
    let mut given = given.into_iter();
    let mut all: Vec<OsString> = given.next().into_iter().collect();
    let given: Vec<_> = given.collect();
    for (name, arg) in options(command) {
        // The parser reads the variables that an option names itself.
        let own = arg.get_env().and_then(OsStr::to_str).and_then(environment);
        if is_given(&given, name) || own.is_some_and(|value| !value.is_empty()) {
            continue;
        }
        let variable = variable(name);
        let value = environment(&variable);
        if value.as_ref().is_some_and(|value| value.is_empty()) && is_of_tokens(name) {
            bail!(
                "the variable {variable} is empty: remove it, or the hub would be open to everybody"
            );
        }
        match (value.filter(|value| !value.is_empty()), file.get(name)) {
            (Some(value), _) => all.extend(
                from_variable(name, arg, &value)
                    .with_context(|| format!("in the variable {variable}"))?,
            ),
            (None, Some(value)) => all.extend(
                from_value(name, arg, value)
                    .with_context(|| format!("in the option `{name}` of the file"))?,
            ),
            (None, None) => {}
        }
    }
    all.extend(given);
    Ok(all)
}

/// Returns the options that differ between two sets of arguments and that a reload does not change.
pub(crate) fn need_a_restart(
    command: &Command,
    before: &[OsString],
    now: &[OsString],
) -> Vec<String> {
    let values = |all: &[OsString], name: &str| {
        let values = all.iter().filter(|argument| is_given(std::slice::from_ref(argument), name));
        values.cloned().collect::<Vec<_>>()
    };
    let names = options(command).map(|(name, _)| name).filter(|name| !is_reloaded(name));
    names.filter(|name| values(before, name) != values(now, name)).map(str::to_owned).collect()
}

/// Returns `true` if a reload applies the option.
fn is_reloaded(name: &str) -> bool {
    is_of_tokens(name)
        || [
            "anonymous",
            "max-data",
            "max-data-for",
            "publish-rate",
            "publish-rate-for",
            "tls-cert",
            "tls-key",
        ]
        .contains(&name)
}

/// Returns the variables with our prefix that are no option.
pub(crate) fn unknown_variables<'a>(
    command: &Command,
    variables: impl Iterator<Item = &'a str>,
) -> Vec<&'a str> {
    let known: Vec<_> = options(command).map(|(name, _)| variable(name)).collect();
    variables
        .filter(|name| name.starts_with(PREFIX))
        .filter(|name| !OF_KUBERNETES.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !known.iter().any(|known| known == name))
        .collect()
}

/// Returns the options that have a value or are switches, by name.
fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let options = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
    options.filter(|(name, _)| !["help", "version"].contains(name))
}

fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('-', "_").to_uppercase())
}

/// Returns `true` if the option is one of tokens. An empty variable is an option that is not set, but
/// for these: where a deployment has lost its key, the hub must not start without one.
fn is_of_tokens(name: &str) -> bool {
    name.starts_with("jwt-") || name == "jwks-file"
}

/// Returns `true` if the command line has `--name` or `--name=…`.
fn is_given(given: &[OsString], name: &str) -> bool {
    given.iter().any(|argument| {
        let rest = argument.to_str().and_then(|text| text.strip_prefix("--")?.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

/// Returns the path of the file, if there is one.
fn file(given: &[OsString], environment: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let by_option = given.iter().enumerate().find_map(|(at, argument)| {
        let rest = argument.to_str()?.strip_prefix("--")?.strip_prefix(CONFIG)?;
        match rest.strip_prefix('=') {
            Some(path) => Some(OsStr::new(path)),
            None if rest.is_empty() => given.get(at + 1).map(OsString::as_os_str),
            None => None,
        }
    });
    let path = by_option.map(OsStr::to_owned).or_else(|| environment(&variable(CONFIG)))?;
    (!path.is_empty()).then(|| path.into())
}

/// Reads the options of a file, by the names that they have on the command line.
fn read(path: &Path, command: &Command) -> anyhow::Result<Vec<(String, Value)>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration from {}", path.display()))?;
    // Not the library's error as a whole: it quotes the line, which may have a password.
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        anyhow!("{} is not TOML: line {line}: {}", path.display(), error.message())
    })?;
    let mut values: Vec<(String, Value)> = Vec::new();
    for (key, value) in table {
        let name = key.replace('_', "-");
        if name == CONFIG || !options(command).any(|(option, _)| option == name) {
            bail!("there is no option `{key}` in {}; `hub --help` lists them", path.display());
        }
        if values.iter().any(|(other, _)| *other == name) {
            bail!("{} has the option `{name}` twice", path.display());
        }
        values.push((name, value));
    }
    Ok(values)
}

fn from_variable(name: &str, arg: &Arg, value: &OsStr) -> anyhow::Result<Vec<OsString>> {
    match arg.get_action() {
        ArgAction::SetTrue => match value.to_str().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "1" | "yes" | "on") => Ok(vec![switch(name)]),
            Some("false" | "0" | "no" | "off") => Ok(Vec::new()),
            _ => bail!("write true or false"),
        },
        ArgAction::Append => {
            let list = value.to_str().context("it is not UTF-8")?.split(',').map(str::trim);
            let list: Vec<_> = list.collect();
            if list.contains(&"") {
                bail!("one of the values between commas is empty");
            }
            Ok(list.into_iter().map(|item| option(name, item)).collect())
        }
        _ => Ok(vec![option(name, value)]),
    }
}

fn from_value(name: &str, arg: &Arg, value: &Value) -> anyhow::Result<Vec<OsString>> {
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => Ok(vec![switch(name)]),
        (ArgAction::SetTrue, Value::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => bail!("write true or false"),
        (ArgAction::Append, Value::Array(values)) => {
            values.iter().map(|value| Ok(option(name, text(value)?))).collect()
        }
        // In its order, as the first rule counts.
        (ArgAction::Append, Value::Table(rules)) if has_rules(arg) => rules
            .iter()
            .map(|(pattern, limit)| {
                let limit = text(limit).with_context(|| format!("`{pattern}`"))?;
                Ok(option(name, format!("{pattern}={limit}")))
            })
            .collect(),
        (_, value) => Ok(vec![option(name, text(value)?)]),
    }
}

/// Returns `true` if the values of an option are of the form `PATTERN=N`.
fn has_rules(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.contains('=')))
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => bail!("write a text or a number"),
    })
}

fn switch(name: &str) -> OsString {
    format!("--{name}").into()
}

/// Returns `--name=value`, which is one argument, whatever the value begins with.
fn option(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut option = OsString::from(format!("--{name}="));
    option.push(value);
    option
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::options::Options;

    fn parse(given: &[&str], variables: &[(&str, &str)], file: &str) -> anyhow::Result<Options> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.toml");
        std::fs::write(&path, file).unwrap();
        let given =
            ["hub", "--config", path.to_str().unwrap()].into_iter().chain(given.iter().copied());
        let environment = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        let arguments =
            arguments(&Options::command(), given.map(Into::into).collect(), &environment)?;
        Ok(Options::try_parse_from(arguments)?)
    }

    #[test]
    fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
        let file = "history = 3";
        let history = |given: &[&str], variables: &[(&str, &str)]| {
            parse(given, variables, file).map(|options| options.limits.history)
        };
        let variable = [("SSE_HUB_HISTORY", "7")];
        assert_eq!(history(&[], &[]).unwrap(), 3);
        assert_eq!(history(&[], &variable).unwrap(), 7);
        assert_eq!(history(&["--history", "9"], &variable).unwrap(), 9);
        assert_eq!(history(&["--history=9"], &variable).unwrap(), 9);
        assert_eq!(history(&[], &[("SSE_HUB_HISTORY", "")]).unwrap(), 3, "empty is not set");
        assert_eq!(parse(&[], &[], "").unwrap().limits.history, 50);
        // An option that names another variable takes that before the file, too.
        let file = "redis = 'redis://file'";
        let arguments = |variables: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("hub.toml");
            std::fs::write(&path, file).unwrap();
            let config = OsString::from(format!("--config={}", path.display()));
            let environment = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            };
            let all = arguments(&Options::command(), vec!["hub".into(), config], &environment);
            all.unwrap().len()
        };
        assert_eq!(arguments(&[]), 3);
        assert_eq!(arguments(&[("SSE_KIT_REDIS_URL", "redis://variable")]), 2);
    }

    #[test]
    fn all_sources_have_lists_switches_and_numbers() {
        let file = "gzip = true\ngzip-window = true\nmax-delay = 0.5\nhost = ['a.example', 'b.example']\n\
                    jwt_leeway = 5\nlisten = 'unix:/run/hub.sock'";
        let options = parse(&[], &[], file).unwrap();
        assert!(options.gzip && options.gzip_window);
        assert_eq!((options.max_delay().as_millis(), options.hosts.len()), (500, 2));
        assert_eq!(options.listen.to_string(), "unix:/run/hub.sock");
        let variables = [
            ("SSE_HUB_GZIP", "false"),
            ("SSE_HUB_GZIP_WINDOW", "false"),
            ("SSE_HUB_HOST", "a.example, b.example,c.example"),
        ];
        let options = parse(&[], &variables, file).unwrap();
        assert_eq!((options.gzip, options.hosts.len()), (false, 3));
    }

    /// Values of options, by the names that `--help` has for them.
    const VALUES: [(&str, &str); 10] = [
        ("ADDR", "127.0.0.1:9"),
        ("NAME", "a.example"),
        ("N", "7"),
        ("SECS", "0.5"),
        ("BYTES", "1000"),
        ("CIDR", "10.0.0.0/8"),
        ("ORIGIN", "https://a.example"),
        ("ALG", "ES256"),
        ("PATTERN", "news:*"),
        ("URL", "redis://localhost"),
    ];

    /// Returns a value that the parser of an option takes.
    fn sample(arg: &Arg) -> String {
        let name = arg.get_value_names().unwrap()[0].as_str();
        let value = |name: &str| {
            let known = VALUES.iter().find(|(known, _)| *known == name);
            known.map_or_else(|| format!("text of {name}"), |(_, value)| (*value).to_owned())
        };
        match name.split_once('=') {
            Some((pattern, limit)) => format!("{}={}", value(pattern), value(limit)),
            None => value(name),
        }
    }

    /// Returns the options that the arguments set, whatever else these require.
    fn debug(arguments: Vec<OsString>) -> String {
        let matches = Options::command().ignore_errors(true).try_get_matches_from(arguments);
        let options = <Options as clap::FromArgMatches>::from_arg_matches(&matches.unwrap());
        format!("{:?}", options.unwrap())
    }

    /// All options there are, also those that are added later.
    #[test]
    fn every_option_is_the_same_from_all_sources() {
        let command = Options::command();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.toml");
        let config = OsString::from(format!("--config={}", path.display()));
        let mut tried = 0;
        for (name, arg) in options(&command).filter(|(name, _)| *name != CONFIG) {
            let all = |given: &[OsString], variable: Option<&str>, file: &str| {
                std::fs::write(&path, file).unwrap();
                let environment = |asked: &str| {
                    variable.filter(|_| asked == super::variable(name)).map(OsString::from)
                };
                let given = ["hub".into(), config.clone()].into_iter().chain(given.iter().cloned());
                let mut all = arguments(&command, given.collect(), &environment).unwrap();
                all.retain(|argument| *argument != config);
                all
            };
            let snake = name.replace('-', "_");
            let (given, variable, files) = if matches!(arg.get_action(), ArgAction::SetTrue) {
                (
                    vec![switch(name)],
                    "true".into(),
                    vec![format!("{name} = true"), format!("{snake} = true")],
                )
            } else {
                let value = sample(arg);
                let texts = vec![format!("{name} = '{value}'"), format!("{snake} = '{value}'")];
                let given = option(name, &value);
                match (arg.get_action(), value.rsplit_once('=')) {
                    (ArgAction::Append, Some((pattern, limit))) => {
                        let table = format!(
                            "[{name}]\n'{pattern}' = {limit}\n'zzz' = {limit}\n'aaa' = {limit}"
                        );
                        let list = format!("{name} = ['{value}', 'zzz={limit}', 'aaa={limit}']");
                        let more =
                            ["zzz", "aaa"].map(|topic| option(name, format!("{topic}={limit}")));
                        let given = [vec![given], more.to_vec()].concat();
                        (given, format!("{value},zzz={limit}, aaa={limit}"), vec![table, list])
                    }
                    (ArgAction::Append, None) => {
                        let list = format!("{name} = ['{value}', '{value}']");
                        (vec![given.clone(), given], format!("{value},{value}"), vec![list])
                    }
                    _ => (vec![given], value, texts),
                }
            };
            let expected = all(&given, None, "");
            assert_ne!(
                debug(expected.clone()),
                debug(vec!["hub".into()]),
                "--{name} has an effect"
            );
            assert_eq!(all(&[], Some(&variable), ""), expected, "the variable of --{name}");
            for file in files {
                assert_eq!(all(&[], None, &file), expected, "--{name} in the file: {file}");
            }
            tried += 1;
        }
        assert!(tried > 40, "{tried} options");
    }

    #[test]
    fn changes_that_need_a_restart_are_found() {
        let arguments = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        let before =
            ["hub", "--history=7", "--host=a", "--host=b", "--max-data=1", "--jwt-cookie=a"];
        let now = ["hub", "--history=8", "--host=a", "--max-data=2", "--jwt-cookie=b", "--gzip"];
        let need = |before: &[&str], now: &[&str]| {
            need_a_restart(&Options::command(), &arguments(before), &arguments(now))
        };
        assert_eq!(need(&before, &now), ["host", "gzip", "history"]);
        assert!(need(&before, &before).is_empty());
        // All reloaded options exist.
        let command = Options::command();
        let reloaded = options(&command).filter(|(name, _)| is_reloaded(name)).count();
        assert_eq!(reloaded, 7 + 8, "7 by name, and those of tokens");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |variables: &[(&str, &str)], file: &str| {
            format!("{:#}", parse(&[], variables, file).expect_err("a mistake"))
        };
        assert!(error(&[], "histroy = 7").contains("there is no option `histroy` in "));
        assert!(error(&[], "[redis]\nurl = 'x'").contains("write a text"), "a table");
        assert!(error(&[], "config = 'other.toml'").contains("there is no option `config`"));
        assert!(error(&[], "jwt-leeway = 1\njwt_leeway = 2").contains("`jwt-leeway` twice"));
        assert!(error(&[], "history =").contains("is not TOML"));
        assert!(error(&[], "gzip = 1").contains("write true or false"));
        assert!(error(&[], "history = [1, 2]").contains("write a text or a number"));
        assert!(error(&[], "history = -1").contains("--history"));
        assert!(error(&[], "[host]\n'a' = 1").contains("write a text"), "no rules");
        let rule = error(&[], "[history-for]\n'rooms:*' = true");
        assert!(rule.contains("`history-for` of the file: `rooms:*`: write a text"), "{rule}");
        assert!(error(&[], "[history-for]\n'rooms:*' = 1\n'rooms:*' = 2").contains("is not TOML"));
        assert!(error(&[], "history-for = 'rooms'").contains("--history-for"));
        assert!(error(&[("SSE_HUB_GZIP", "si")], "").contains("in the variable SSE_HUB_GZIP"));
        assert!(error(&[("SSE_HUB_GZIP_WINDOW", "true")], "").contains("--gzip"));
        assert!(error(&[("SSE_HUB_QUEUE", "0")], "").contains("at least 1"));
        assert!(error(&[("SSE_HUB_HOST", "a.example,,")], "").contains("between commas is empty"));
        for option in ["KEY_FILE", "AUDIENCE", "ISSUER", "COOKIE", "QUERY"] {
            let variable = format!("SSE_HUB_JWT_{option}");
            assert!(error(&[(&variable, "")], "").contains("is empty: remove it"), "{variable}");
        }
        assert!(error(&[("SSE_HUB_JWKS_FILE", "")], "jwks-file = 'keys'").contains("is empty"));
        let secret = error(&[], "history = 7\nredis = 'redis://:hunter2@localhost");
        assert!(secret.contains("line 2") && !secret.contains("hunter2"), "{secret}");
        // Options of different sources exclude each other too.
        assert!(
            error(&[("SSE_HUB_STORE", "/var/hub")], "redis = 'redis://localhost'")
                .contains("--store")
        );
        let missing = arguments(
            &Options::command(),
            vec!["hub".into(), "--config=/no/such/file".into()],
            &|_| None,
        );
        assert!(missing.expect_err("no file").to_string().contains("/no/such/file"));
    }

    #[test]
    fn variables_that_are_no_options_are_found_but_for_those_of_kubernetes() {
        let variables = [
            "SSE_HUB_HISTROY",
            "SSE_HUB_HISTORY",
            "SSE_HUB_CONFIG",
            "SSE_HUB_SERVICE_HOST",
            "SSE_HUB_PORT_8081_TCP",
            "HOME",
        ];
        let unknown = unknown_variables(&Options::command(), variables.into_iter());
        assert_eq!(unknown, ["SSE_HUB_HISTROY"]);
    }
}

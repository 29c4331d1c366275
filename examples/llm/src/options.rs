//! The command line.

/// Streams the answers of a large language model, token by token.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The address to listen on: an IP address or the name of a host, and a port; port 0 takes a
    /// free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8083")]
    pub(crate) listen: String,
    /// The address of an API that is compatible with OpenAI's, such as `https://api.openai.com/v1` or
    /// `http://127.0.0.1:11434/v1`. Without one a small stand-in answers.
    #[arg(long, value_name = "URL", env = "LLM_BASE_URL")]
    pub(crate) base_url: Option<String>,
    /// The model.
    #[arg(long, value_name = "NAME", env = "LLM_MODEL", default_value = "stand-in")]
    pub(crate) model: String,
    /// The key of the API, which is better given by the environment.
    #[arg(long, value_name = "KEY", env = "LLM_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
}

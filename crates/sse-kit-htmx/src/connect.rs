//! An element that holds a connection.

use sse_kit_event::{EventId, EventName};

use crate::attribute_name::AttributeName;
use crate::attributes::{Attributes, JOINED};
use crate::dialect::Dialect;
use crate::endpoint::Endpoint;
use crate::named_swap::{NamedSwapError, list, unnamed};
use crate::swap::{Swap, UnsupportedSwapError};

/// The attributes of an element that holds a connection.
///
/// By default unnamed events are swapped into the element. With names given, only events of these
/// names are; `message` stands for the unnamed ones. Named events need
/// [`Script::swap`](crate::Script::swap) with htmx 4, which only makes DOM events of them.
///
/// ```
/// use sse_kit_htmx::{Connect, Dialect};
///
/// let connect = Connect::new("/events?topic=jobs".parse()?).out_of_band().close("done".parse()?);
///
/// assert_eq!(
///     connect.attributes(Dialect::V2)?.to_string(),
///     " hx-ext=\"sse\" sse-connect=\"/events?topic=jobs\" sse-swap=\"message\" hx-swap=\"none\" \
///      sse-close=\"done\"",
/// );
/// assert_eq!(
///     connect.attributes(Dialect::V4)?.to_string(),
///     " hx-sse:connect=\"/events?topic=jobs\" hx-status:4xx=\"swap:none\" \
///      hx-status:5xx=\"swap:none\" hx-swap=\"none\" hx-sse:close=\"done\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connect {
    endpoint: Endpoint,
    takes: Takes,
    swap: Option<Swap>,
    close: Option<EventName>,
    reconnect: Reconnect,
    cursor: Option<EventId>,
    others: Attributes,
}

/// Which events are swapped.
#[derive(Clone, Debug)]
enum Takes {
    Unnamed,
    These(Vec<EventName>),
    Nothing,
}

/// Whether a connection that was lost is made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// It is.
    #[default]
    On,
    /// It is not. htmx 2 cannot be told, so [`Script::connection`](crate::Script::connection) sees
    /// to it and has to be on the page.
    Off,
}

impl Connect {
    /// A connection to `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            takes: Takes::Unnamed,
            swap: None,
            close: None,
            reconnect: Reconnect::On,
            cursor: None,
            others: Attributes::new(),
        }
    }

    /// Swaps events of these names, beside those that were given before.
    pub fn events(mut self, names: impl IntoIterator<Item = EventName>) -> Self {
        for name in names {
            if let Takes::These(all) = &mut self.takes {
                all.push(name);
            } else {
                self.takes = Takes::These(vec![name]);
            }
        }
        self
    }

    /// Swaps events of this name, beside those that were given before.
    pub fn event(self, name: EventName) -> Self {
        self.events([name])
    }

    /// Nothing is swapped into the element itself: elements within it do so
    /// ([`NamedSwap`](crate::NamedSwap)), or scripts listen. htmx 4 takes updates out of band all the
    /// same.
    pub fn without_swap(mut self) -> Self {
        self.takes = Takes::Nothing;
        self
    }

    /// Nothing is swapped into the element itself, but [`Updates`](crate::Updates) are taken, which
    /// come in unnamed events.
    pub fn out_of_band(mut self) -> Self {
        if let Takes::These(names) = &mut self.takes {
            names.push(unnamed());
        } else {
            self.takes = Takes::Unnamed;
        }
        self.swap(Swap::None)
    }

    /// How events go into the element; htmx's own default is `innerHTML`.
    pub fn swap(mut self, swap: Swap) -> Self {
        self.swap = Some(swap);
        self
    }

    /// An event of this name ends the connection for good.
    pub fn close(mut self, name: EventName) -> Self {
        self.close = Some(name);
        self
    }

    /// Whether a connection that was lost is made again.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// The stream begins after this event: take the cursor before the state that the page shows is
    /// read, and nothing is lost between the two.
    pub fn resume_from(mut self, cursor: EventId) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Adds attributes of your own. `class`, `style` and `hx-ext` are joined with ours.
    pub fn others(mut self, others: Attributes) -> Self {
        self.others = self.others.merge(others);
        self
    }

    /// Adds attributes that an element has already; those given here hold.
    pub(crate) fn under(mut self, element: Attributes) -> Self {
        self.others = element.merge(self.others);
        self
    }

    /// The attributes for pages with this htmx, yours first.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what this htmx cannot do, or which of your attributes is in the way.
    pub fn attributes(&self, dialect: Dialect) -> Result<Attributes, ConnectError> {
        let ours = match dialect {
            Dialect::V2 => self.v2()?,
            Dialect::V4 => self.v4()?,
        };
        let is_taken = |name: &AttributeName| {
            self.others.get(name.as_str()).is_some() && !JOINED.iter().any(|joined| name.is(joined))
        };
        if let Some((name, _)) = ours.iter().find(|(name, _)| is_taken(name)) {
            return Err(ConnectError::Taken { name: name.clone() });
        }
        Ok(self.others.clone().merge(ours))
    }

    fn v2(&self) -> Result<Attributes, ConnectError> {
        let mut ours =
            Attributes::new().known("hx-ext", "sse").known("sse-connect", self.url().as_str());
        match &self.takes {
            Takes::Unnamed => ours = ours.known("sse-swap", unnamed().as_str()),
            Takes::These(names) => ours = ours.known("sse-swap", list(names)?),
            Takes::Nothing => {}
        }
        if let Some(swap) = self.swap {
            ours = ours.known("hx-swap", swap.as_str(Dialect::V2)?);
        }
        if let Some(name) = &self.close {
            ours = ours.known("sse-close", name.as_str());
        }
        Ok(match self.reconnect {
            Reconnect::On => ours,
            Reconnect::Off => ours.known("sse-kit-reconnect", "off"),
        })
    }

    fn v4(&self) -> Result<Attributes, ConnectError> {
        let mut ours = Attributes::new().known("hx-sse:connect", self.url().as_str());
        // Without these the page of an error is swapped in when the first request fails.
        for name in ["hx-status:4xx", "hx-status:5xx"] {
            if self.others.get(name).is_none() {
                ours = ours.known(name, "swap:none");
            }
        }
        match &self.takes {
            Takes::Unnamed | Takes::Nothing => {}
            Takes::These(names) if *names == [unnamed()] => {}
            Takes::These(names) => ours = ours.known("sse-kit-swap", list(names)?),
        }
        match (&self.takes, self.swap) {
            (Takes::Nothing, _) => ours = ours.known("hx-swap", Swap::None.as_str(Dialect::V4)?),
            (_, Some(swap)) => ours = ours.known("hx-swap", swap.as_str(Dialect::V4)?),
            (_, None) => {}
        }
        if let Some(name) = &self.close {
            ours = ours.known("hx-sse:close", name.as_str());
        }
        Ok(match self.reconnect {
            Reconnect::On => ours,
            Reconnect::Off => ours.known("hx-config", "sse.reconnect:false"),
        })
    }

    fn url(&self) -> Endpoint {
        self.cursor
            .map_or_else(|| self.endpoint.clone(), |cursor| self.endpoint.with_cursor(cursor))
    }
}

/// Why an element cannot connect so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no such swap style.
    #[error(transparent)]
    Swap(#[from] UnsupportedSwapError),
    /// A name cannot stand in a list of names.
    #[error(transparent)]
    Name(#[from] NamedSwapError),
    /// The element has an attribute already that is needed for the connection.
    #[error("the attribute `{name}` is written by `Connect`; leave it out of the others")]
    Taken {
        /// Which attribute.
        name: AttributeName,
    },
}

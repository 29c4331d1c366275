//! An element that holds a connection.

use sse_kit_event::control::ControlName;
use sse_kit_event::{EventId, EventName};

use crate::attribute_name::AttributeName;
use crate::attributes::{Attributes, JOINED};
use crate::dialect::Dialect;
use crate::endpoint::Endpoint;
use crate::error::{MarkupError, Reason};
use crate::named_swap::{list, unnamed};
use crate::swap::Swap;

/// The attributes of an element that holds a connection.
///
/// By default unnamed events are swapped into the element. With names given, only events of these
/// names are; `message` stands for the unnamed ones. Named events need
/// [`Script::swap`](crate::Script::swap) with htmx 4, which only makes DOM events of them.
///
/// ```
/// use sse_kit_htmx::{Connect, Dialect, Endpoint};
///
/// let connect = Connect::new(Endpoint::from_static("/events?topic=jobs")).out_of_band();
///
/// assert_eq!(
///     connect.attributes(Dialect::V2)?.to_string(),
///     " hx-ext=\"sse\" sse-connect=\"/events?topic=jobs\" sse-swap=\"message\" hx-swap=\"none\" \
///      sse-close=\"sse-kit:close\"",
/// );
/// assert_eq!(
///     connect.attributes(Dialect::V4)?.to_string(),
///     " hx-sse:connect=\"/events?topic=jobs\" hx-status:4xx=\"swap:none\" \
///      hx-status:5xx=\"swap:none\" hx-swap=\"none\" hx-sse:close=\"sse-kit:close\"",
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

/// The events that are swapped.
#[derive(Clone, Debug)]
enum Takes {
    Unnamed,
    These(Vec<EventName>),
    Nothing,
}

/// The behaviour of a page that loses its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// The page connects again.
    #[default]
    On,
    /// The page does not connect again. htmx 2 has no setting for it, so [`Script::connection`](crate::Script::connection) sees
    /// to it and has to be on the page.
    Off,
}

impl Connect {
    /// Connects to `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            takes: Takes::Unnamed,
            swap: None,
            close: Some(EventName::control(ControlName::Close)),
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

    /// Swaps nothing into the element itself: elements within it do so
    /// ([`NamedSwap`](crate::NamedSwap)), or scripts listen. htmx 4 takes updates out of band all the
    /// same.
    pub fn without_swap(mut self) -> Self {
        self.takes = Takes::Nothing;
        self
    }

    /// Swaps nothing into the element itself, but [`Updates`](crate::Updates) are taken, which
    /// come in unnamed events.
    pub fn out_of_band(mut self) -> Self {
        if let Takes::These(names) = &mut self.takes {
            names.push(unnamed());
        } else {
            self.takes = Takes::Unnamed;
        }
        self.swap(Swap::None)
    }

    /// Sets how events go into the element. Default: `innerHTML`, by htmx.
    pub fn swap(mut self, swap: Swap) -> Self {
        self.swap = Some(swap);
        self
    }

    /// Ends the connection for good at an event of this name. Default: `sse-kit:close`, which the
    /// hub sends to a page whose stream has ended for good; a script of the app can publish another.
    pub fn close(mut self, name: EventName) -> Self {
        self.close = Some(name);
        self
    }

    /// Ends the connection at no event, for a stream that the hub does not serve.
    pub fn without_close(mut self) -> Self {
        self.close = None;
        self
    }

    /// Sets whether the page connects again when the connection is lost.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Begins the stream after this event. Take the cursor before you read the state that the page
    /// shows; then no event is lost between the two.
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

    /// Returns the attributes for pages with this htmx, yours first.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] says what this htmx cannot do, or which of your attributes is in the way.
    pub fn attributes(&self, dialect: Dialect) -> Result<Attributes, MarkupError> {
        let ours = match dialect {
            Dialect::V2 => self.v2()?,
            Dialect::V4 => self.v4()?,
        };
        let is_taken = |name: &AttributeName| {
            self.others.get(name.as_str()).is_some() && !JOINED.iter().any(|joined| name.is(joined))
        };
        if let Some((name, _)) = ours.iter().find(|(name, _)| is_taken(name)) {
            return Err(Reason::Taken { name: name.clone() }.into());
        }
        Ok(self.others.clone().merge(ours))
    }

    fn v2(&self) -> Result<Attributes, MarkupError> {
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

    fn v4(&self) -> Result<Attributes, MarkupError> {
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

//! The actions of a user on a page.

use std::panic::Location;

use dom_query::NodeId;
use http::Method;

use super::TestPage;
use super::form::Values;
use crate::client::resolve;
use crate::dom::NodeExt;
use crate::failure::{At, fail};

/// The effect of a click.
enum Click {
    /// An element of htmx makes its request.
    Request(NodeId),
    /// A form is submitted, by this button if there is one.
    Submit { form: NodeId, button: Option<NodeId> },
    /// A link is followed.
    Follow(String),
}

impl TestPage {
    /// Types into a field: the first that matches.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    #[track_caller]
    pub fn fill(&mut self, selector: &str, value: &str) {
        let field = self.one(Location::caller(), selector);
        self.values.insert(field, value.to_owned());
    }

    /// Ticks a box: the first that matches.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    #[track_caller]
    pub fn tick(&mut self, selector: &str) {
        let field = self.one(Location::caller(), selector);
        self.ticks.insert(field, true);
    }

    /// Takes the tick of a box away: of the first that matches.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    #[track_caller]
    pub fn untick(&mut self, selector: &str) {
        let field = self.one(Location::caller(), selector);
        self.ticks.insert(field, false);
    }

    /// Clicks on the first element that matches. An element around it may take the click: one with
    /// `hx-get` or `hx-post`, a button of a form, or a link. An answer has been taken in when this is done.
    ///
    /// # Panics
    ///
    /// If there is no such element, or a click on it does nothing that a test page knows.
    #[track_caller]
    pub fn click(&mut self, selector: &str) -> impl Future<Output = ()> {
        let (at, selector) = (Location::caller(), selector.to_owned());
        async move {
            let element = self.one(at, &selector);
            match self.click_on(element) {
                Some(Click::Request(element)) => {
                    let values = self.request_values(element, None);
                    self.request_by(at, element, values).await;
                    self.connect(at).await;
                }
                Some(Click::Submit { form, button }) => self.submit_form(at, form, button).await,
                Some(Click::Follow(link)) => self.go(at, Method::GET, &link, String::new()).await,
                None => fail(at, format_args!("a click on `{selector}` does nothing")),
            }
        }
    }

    /// Submits the first form that matches, as by the return key. An answer has been taken in when this is
    /// done, and the page is another one where the form leads to one.
    ///
    /// # Panics
    ///
    /// If there is no such form.
    #[track_caller]
    pub fn submit(&mut self, selector: &str) -> impl Future<Output = ()> {
        let (at, selector) = (Location::caller(), selector.to_owned());
        async move {
            let form = self.one(at, &selector);
            if !self.dom.node(form).has_name("form") {
                fail(at, format_args!("`{selector}` is no form"));
            }
            self.submit_form(at, form, None).await;
        }
    }

    fn one(&self, at: At, selector: &str) -> NodeId {
        match self.select(at, selector).first() {
            Some(node) => node.id,
            None => {
                fail(at, format_args!("nothing on the page at {} matches `{selector}`", self.path))
            }
        }
    }

    /// Returns the effect of a click on an element: the element takes the click, or one around it does.
    fn click_on(&self, element: NodeId) -> Option<Click> {
        let mut node = Some(self.dom.node(element));
        while let Some(found) = node {
            node = found.parent();
            let kind = found.hx("type").unwrap_or_default();
            let is_button = (found.has_name("button") && !matches!(&*kind, "button" | "reset"))
                || (found.has_name("input") && matches!(&*kind, "submit" | "image"));
            if super::asking::verb_of(&found).is_some() && !found.has_name("form") {
                return Some(Click::Request(found.id));
            }
            if is_button {
                let around = std::iter::successors(Some(found), dom_query::NodeRef::parent);
                let form = around.into_iter().find(|node| node.has_name("form"));
                if let Some(form) = form {
                    return Some(Click::Submit { form: form.id, button: Some(found.id) });
                }
            }
            if found.has_name("a")
                && let Some(link) = found.hx("href")
            {
                return Some(Click::Follow(link));
            }
        }
        None
    }

    async fn submit_form(&mut self, at: At, form: NodeId, button: Option<NodeId>) {
        let values = self.request_values(form, button);
        let node = self.dom.node(form);
        if super::asking::verb_of(&node).is_some() {
            self.request_by(at, form, values).await;
            self.connect(at).await;
            return;
        }
        let action = node.hx("action").unwrap_or_default();
        let is_post = node.hx("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
        let form = encoded(&values);
        if is_post {
            self.go(at, Method::POST, &action, form).await;
        } else {
            let path = action.split(['?', '#']).next().unwrap_or_default();
            self.go(at, Method::GET, &format!("{path}?{form}"), String::new()).await;
        }
    }

    /// Returns what an element sends: the fields of a form, with the button that was clicked.
    fn request_values(&self, element: NodeId, button: Option<NodeId>) -> Values {
        let node = self.dom.node(element);
        let is_get = super::asking::verb_of(&node).is_some_and(|(method, _)| method == Method::GET);
        let form = if node.has_name("form") {
            Some(element)
        } else {
            let around = std::iter::successors(node.parent(), dom_query::NodeRef::parent);
            around.into_iter().find(|node| node.has_name("form") && !is_get).map(|form| form.id)
        };
        let mut values = self.values_in(form.unwrap_or(element));
        let button = self.dom.node(button.unwrap_or(element));
        if (button.has_name("button") || button.has_name("input"))
            && let Some(name) = button.hx("name").filter(|name| !name.is_empty())
            && !values.iter().any(|(known, _)| *known == name)
        {
            values.push((name, button.hx("value").unwrap_or_default()));
        }
        values
    }

    /// Goes to another page.
    pub(super) async fn go(&mut self, at: At, method: Method, reference: &str, form: String) {
        let Some(path) = resolve(&self.path, reference) else {
            fail(at, format_args!("the page leads to another site: {reference}"));
        };
        self.load(at, method, path, form).await;
        self.connect(at).await;
    }
}

pub(super) fn encoded(values: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(values).finish()
}

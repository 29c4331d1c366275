//! The output of template engines, behind their features.

#[cfg(feature = "askama")]
mod askama {
    use std::error::Error;

    use askama::Template;
    use sse_kit_htmx::{
        Connect, Dialect, Element, Fragment, Html, HtmlBlock, HtmlTemplate, PageScripts, Tag,
        Update, Updates,
    };

    #[derive(Template)]
    #[template(
        ext = "html",
        source = "<ul id=\"jobs\">{% block row %}<li id=\"job-{{ id }}\">{{ state }}</li>{% endblock %}</ul>",
        blocks = ["row"]
    )]
    struct Jobs {
        id: u32,
        state: String,
    }

    impl HtmlTemplate for Jobs {}

    #[test]
    fn a_template_and_a_block_of_one_are_fragments() -> Result<(), Box<dyn Error>> {
        let jobs = Jobs { id: 17, state: "<done>".to_owned() };
        assert_eq!(
            jobs.to_html()?.as_str(),
            "<ul id=\"jobs\"><li id=\"job-17\">&#60;done&#62;</li></ul>"
        );
        let row = Update::replace("job-17".parse()?, &HtmlBlock(jobs.as_row()))?;
        assert_eq!(
            Updates::from(row).render(Dialect::V2)?.as_str(),
            "<li hx-swap-oob=\"outerHTML:#job-17\" id=\"job-17\">&#60;done&#62;</li>"
        );
        Ok(())
    }

    #[derive(Template)]
    #[template(
        ext = "html",
        source = "{{ scripts }}<div{{ connect }}>{{ html }}{{ element }}{{ text }}</div>"
    )]
    struct Page {
        scripts: PageScripts,
        connect: sse_kit_htmx::Attributes,
        html: Html,
        element: Element,
        text: &'static str,
    }

    impl HtmlTemplate for Page {}

    #[test]
    fn what_is_html_is_not_escaped_again() -> Result<(), Box<dyn Error>> {
        let connect = Connect::new("/e?a&b".parse()?);
        let scripts = PageScripts::new(Dialect::V2).own_from("/a".parse()?);
        let page = Page {
            scripts: scripts.clone(),
            connect: connect.attributes(Dialect::V2)?,
            html: Html::text("<"),
            element: Element::new(Tag::SPAN),
            text: "<",
        };
        assert_eq!(
            page.to_html()?.into_string(),
            format!(
                "{scripts}<div hx-ext=\"sse\" sse-connect=\"/e?a&amp;b\" sse-swap=\"message\" \
                 sse-close=\"sse-kit:close\">\
                 &lt;<span></span>&#60;</div>"
            )
        );
        Ok(())
    }

    #[derive(Template)]
    #[template(ext = "html", source = "{{ self::broken()? }}")]
    struct Broken;

    impl HtmlTemplate for Broken {}

    fn broken() -> Result<&'static str, std::fmt::Error> {
        Err(std::fmt::Error)
    }

    #[test]
    fn an_error_of_the_engine_is_the_source() {
        let error = Broken.to_html().expect_err("it is broken");
        assert_eq!(error.to_string(), "the fragment cannot be rendered");
        assert!(error.source().is_some());
    }

    #[derive(Template)]
    #[template(ext = "html", source = "<ul>{{ row.to_html()? }}</ul>")]
    struct Outer<F: Fragment> {
        row: F,
    }

    #[test]
    fn a_fragment_stands_in_a_template_without_the_filter_safe() -> Result<(), Box<dyn Error>> {
        let jobs = Jobs { id: 1, state: "<done>".to_owned() };
        let outer = Outer { row: HtmlBlock(jobs.as_row()) }.render()?;
        assert_eq!(outer, "<ul><li id=\"job-1\">&#60;done&#62;</li></ul>");
        assert!(Outer { row: Broken }.render().is_err());
        Ok(())
    }

    #[derive(Template)]
    #[template(ext = "txt", source = "{{ name }}")]
    struct Plain {
        name: &'static str,
    }

    #[test]
    fn a_template_of_text_is_escaped_as_text() {
        // `Plain { … }.to_html()` does not compile; see the example at `HtmlTemplate`.
        let html = Html::text(Plain { name: "<img src=x onerror=alert(1)>" });
        assert_eq!(html.as_str(), "&lt;img src=x onerror=alert(1)&gt;");
    }
}

#[cfg(feature = "maud")]
#[test]
fn maud_takes_html_and_gives_it() {
    use sse_kit_htmx::{Attributes, Element, Html, Tag};

    let (html, element) = (Html::text("<"), Element::new(Tag::SPAN));
    let markup = maud::html! { b { (1) "<" (html) (element) } };
    assert_eq!(Html::from(markup).as_str(), "<b>1&lt;&lt;<span></span></b>");
    assert_eq!(maud::html! { (Attributes::new()) }.into_string(), "");
}

#[cfg(feature = "hypertext")]
#[test]
fn hypertext_takes_html_and_gives_it() {
    use hypertext::prelude::*;
    use sse_kit_htmx::{Element, Html, Tag};

    let (html, element) = (Html::text("<"), Element::new(Tag::SPAN));
    let rendered = hypertext::maud! { b { (1) "<" (html) (element) } }.render();
    assert_eq!(Html::from(rendered).as_str(), "<b>1&lt;&lt;<span></span></b>");
}

#[cfg(feature = "minijinja")]
mod minijinja {
    use std::error::Error;

    use minijinja::{Environment, context};
    use sse_kit_htmx::{Element, Html, HtmlTemplates, Tag};

    const HOSTILE: &str = "<img src=x onerror=alert(1)>";

    fn render(templates: &[(&'static str, &'static str)]) -> Result<Html, String> {
        let mut environment = Environment::new();
        for (name, source) in templates {
            environment.add_template(name, source).expect("it can be read");
        }
        let context =
            context! { text => HOSTILE, html => Html::text("<"), span => Element::new(Tag::SPAN) };
        HtmlTemplates::new(environment).render("a.html", context).map_err(|error| {
            let causes = std::iter::successors(error.source(), |&cause| cause.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        })
    }

    #[test]
    fn values_are_escaped_and_html_is_not_escaped_again() {
        let html = render(&[("a.html", "<b>{{ text }}{{ html }}{{ span }}{{ 1 }}</b>")]);
        let expected = "<b>&lt;img src=x onerror=alert(1)&gt;&lt;<span></span>1</b>";
        assert_eq!(html.as_ref().map(Html::as_str), Ok(expected));
    }

    #[test]
    fn whatever_does_not_escape_is_an_error_that_names_the_template() {
        for (name, outer, partial) in [
            ("a.html", "{% autoescape false %}{{ text }}{% endautoescape %}", ""),
            ("row", "{% include 'row' %}", "{{ text }}"),
            ("row", "{% extends 'row' %}", "{{ text }}"),
            (
                "row",
                "{% from 'row' import row %}{{ row(text) }}",
                "{% macro row(it) %}{{ it }}{% endmacro %}{{ text }}",
            ),
        ] {
            let rendered = render(&[("a.html", outer), ("row", partial)]);
            match rendered {
                Err(error) => assert!(error.contains(name), "{outer}: {error}"),
                Ok(html) => assert!(!html.as_str().contains("<img"), "{outer}: {html}"),
            }
        }
        let mut environment = Environment::new();
        environment.add_template("a.txt", "no value").expect("it can be read");
        assert!(HtmlTemplates::new(environment).render("a.txt", context! {}).is_err());
    }

    #[test]
    fn safe_is_the_one_door() {
        let html = render(&[("a.html", "{{ text|safe }}")]);
        assert_eq!(html.as_ref().map(Html::as_str), Ok(HOSTILE));
    }
}

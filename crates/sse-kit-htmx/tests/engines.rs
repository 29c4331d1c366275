//! What template engines make, behind their features.

#[cfg(feature = "askama")]
mod askama {
    use std::error::Error;

    use askama::Template;
    use sse_kit_htmx::{
        Connect, Dialect, Element, Fragment, Html, PageScripts, Tag, Update, Updates,
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

    #[test]
    fn a_template_and_a_block_of_one_are_fragments() -> Result<(), Box<dyn Error>> {
        let jobs = Jobs { id: 17, state: "<done>".to_owned() };
        assert_eq!(
            jobs.to_html()?.as_str(),
            "<ul id=\"jobs\"><li id=\"job-17\">&#60;done&#62;</li></ul>"
        );
        let row = Update::replace("job-17".parse()?, &jobs.as_row())?;
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

    #[test]
    fn what_is_html_is_not_escaped_again() -> Result<(), Box<dyn Error>> {
        let connect = Connect::new("/e?a&b".parse()?);
        let scripts = PageScripts::hosted(Dialect::V2, "/a".parse()?);
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
                "{scripts}<div hx-ext=\"sse\" sse-connect=\"/e?a&amp;b\" sse-swap=\"message\">\
                 &lt;<span></span>&#60;</div>"
            )
        );
        Ok(())
    }

    #[derive(Template)]
    #[template(ext = "html", source = "{{ self::broken()? }}")]
    struct Broken;

    fn broken() -> Result<&'static str, std::fmt::Error> {
        Err(std::fmt::Error)
    }

    #[test]
    fn an_error_of_the_engine_is_the_source() {
        let error = Broken.to_html().expect_err("it is broken");
        assert_eq!(error.to_string(), "the fragment cannot be rendered");
        assert!(error.source().is_some());
    }
}

#[cfg(feature = "maud")]
#[test]
fn maud() {
    let markup = maud::html! { b { (1) "<" } };
    assert_eq!(sse_kit_htmx::Html::from(markup).as_str(), "<b>1&lt;</b>");
}

#[cfg(feature = "hypertext")]
#[test]
fn hypertext() {
    use hypertext::prelude::*;

    let rendered = hypertext::maud! { b { (1) "<" } }.render();
    assert_eq!(sse_kit_htmx::Html::from(rendered).as_str(), "<b>1&lt;</b>");
}

#[cfg(feature = "minijinja")]
#[test]
fn minijinja() -> Result<(), Box<dyn std::error::Error>> {
    use std::error::Error;

    use sse_kit_htmx::Html;

    let mut environment = minijinja::Environment::new();
    environment.add_template("a.html", "<b>{{ text }}</b>")?;
    environment.add_template("a.txt", "<b>{{ text }}</b>")?;
    let context = || minijinja::context! { text => "<" };
    let html = Html::from_minijinja(&environment.get_template("a.html")?, context())?;
    assert_eq!(html.as_str(), "<b>&lt;</b>");
    let unsafe_text = Html::from_minijinja(&environment.get_template("a.txt")?, context());
    let source = unsafe_text.expect_err("it is not escaped").source().map(ToString::to_string);
    assert!(
        source.is_some_and(|source| source.starts_with("`a.txt` is rendered without escaping"))
    );
    Ok(())
}

//! The words of the message.

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::html::escaped;

const FRENCH: &str = r#"<div class="bbb2pod-message">
<p><strong>Les enregistrements de cette activité sont maintenant dans <a href="{{ pod_url }}">Pod</a> :</strong></p>
<ul>
{% for recording in recordings %}<li>{{ recording.date }} : <a href="{{ recording.url }}">{{ recording.title }}</a></li>
{% endfor %}</ul>
</div>"#;
const ENGLISH: &str = r#"<div class="bbb2pod-message">
<p><strong>The recordings of this activity are now in <a href="{{ pod_url }}">Pod</a>:</strong></p>
<ul>
{% for recording in recordings %}<li>{{ recording.date }}: <a href="{{ recording.url }}">{{ recording.title }}</a></li>
{% endfor %}</ul>
</div>"#;

/// What a template is filled with.
#[derive(Debug, Serialize)]
pub(super) struct Facts<'a> {
    /// Pod's address.
    pub(super) pod_url: &'a str,
    /// The activity's name.
    pub(super) activity: &'a str,
    /// The activity's recordings, the oldest first.
    pub(super) recordings: &'a [Fact],
}

/// A recording in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fact {
    /// Its title.
    pub(super) title: String,
    /// The day and time when it began.
    pub(super) date: String,
    /// The day when it came into Pod.
    pub(super) moved: String,
    /// Where it is in Pod.
    pub(super) url: String,
}

/// A message to be filled in. Every value is escaped.
pub(super) struct Template {
    environment: Environment<'static>,
}

const NAME: &str = "message.html";

impl Template {
    /// The words of one's own, or those for a language.
    ///
    /// # Errors
    /// What is wrong with the template, and in which line.
    pub(super) fn new(own: Option<String>, language: &str) -> Result<Template, String> {
        let built_in = if language.starts_with("fr") {
            FRENCH
        } else {
            ENGLISH
        };
        let mut environment = Environment::new();
        // Its own way of escaping is undone by editors, and a message is then not found word for word.
        environment.set_formatter(|out, _, value| {
            let text = value.to_string();
            let safe = if value.is_safe() {
                text
            } else {
                escaped(&text)
            };
            Ok(std::fmt::Write::write_str(out, &safe)?)
        });
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .add_template_owned(NAME, own.unwrap_or_else(|| built_in.to_owned()))
            .map_err(|error| one_line(&error))?;
        Ok(Template { environment })
    }

    /// The message.
    ///
    /// # Errors
    /// The template asks for something that there is not.
    pub(super) fn fill(&self, facts: &Facts<'_>) -> Result<String, String> {
        let template = self.environment.get_template(NAME);
        let filled = template.and_then(|template| template.render(facts));
        filled.map_err(|error| one_line(&error))
    }
}

fn one_line(error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map(|line| format!("line {line}: "))
        .unwrap_or_default();
    let detail = error
        .detail()
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    format!("{line}{}{detail}", error.kind()).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<Fact> {
        vec![Fact {
            title: "Algèbre <b> & co".into(),
            date: "02/04/2019 20:45".into(),
            moved: "26/11/2026".into(),
            url: "https://pod.example/video/0001-a/".into(),
        }]
    }

    fn filled(own: Option<&str>, language: &str) -> Result<String, String> {
        let template = Template::new(own.map(str::to_owned), language)?;
        template.fill(&Facts {
            pod_url: "https://pod.example/",
            activity: "Cours",
            recordings: &facts(),
        })
    }

    #[test]
    fn values_are_escaped() {
        let french = filled(None, "fr").unwrap();
        assert!(french.contains("02/04/2019 20:45 : <a href=\"https://pod.example/video/0001-a/\">Algèbre &lt;b&gt; &amp; co</a>"), "{french}");
        assert!(filled(None, "en").unwrap().contains("are now in"));
        let own = filled(Some("{{ activity }}: {{ recordings[0].moved }}"), "fr").unwrap();
        assert_eq!(own, "Cours: 26/11/2026");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let wrong = filled(Some("a\n{% for x in %}"), "fr").unwrap_err();
        assert!(wrong.starts_with("line 2: "), "{wrong}");
        assert!(filled(Some("{{ recording.title }}"), "fr").is_err());
    }
}

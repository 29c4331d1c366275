//! The guide to dashboards shows this program.

/// The code of the program, without its indentation.
fn code() -> String {
    let files = [
        include_str!("../figures.rs"),
        include_str!("../panels.rs"),
        include_str!("../reading.rs"),
        include_str!("../routes.rs"),
        include_str!("../sampler.rs"),
        include_str!("../series.rs"),
        include_str!("../sparkline.rs"),
        include_str!("../tests.rs"),
        include_str!("../../assets/style.css"),
        include_str!("../../templates/panels.html"),
    ];
    flat(&files.concat())
}

fn flat(code: &str) -> String {
    code.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_guide_shows_this_program_word_for_word() {
    let (code, mut shown) = (code(), 0);
    let guide = include_str!("../../../../docs/src/dashboards.md");
    for block in guide.split("\n```").skip(1).step_by(2) {
        let (language, block) = block.split_once('\n').expect("a block has lines");
        if language != "sh" {
            // What is left out is between the parts.
            for part in block.split("…") {
                assert!(code.contains(&flat(part)), "the program has no\n{part}");
                shown += 1;
            }
        }
    }
    assert!(shown >= 5, "{shown}");
}

//! What plots show of gaps, misses and odd input.

use super::*;

fn count(scene: &Scene, of: fn(&Item) -> bool) -> usize {
    scene.items.iter().filter(|i| of(i)).count()
}

#[test]
fn a_gap_breaks_the_line_and_a_miss_is_a_cross() {
    let points = vec![(1, Some(0.5)), (2, Some(0.75)), (5, Some(0.5)), (6, Some(1.0)), (7, None)];
    let of = |points| Profile { title: "a<b", axis: "", points, top: Some(1.0), miss_at_top: false, ink: SERIES[0] };
    let scene = profile(&of(points)).unwrap();
    assert_eq!(count(&scene, |i| matches!(i, Item::Line { width, .. } if *width == 1.4)), 2);
    assert_eq!(count(&scene, |i| matches!(i, Item::Dot { .. })), 4);
    assert_eq!(count(&scene, |i| matches!(i, Item::Cross { .. })), 1);
    let picture = svg(&scene);
    assert!(picture.contains("a&lt;b") && !picture.contains("a<b"));
    assert!(profile(&of(Vec::new())).is_none());
}

#[test]
fn box_plots_show_every_value_and_cross_the_infinite() {
    let group = |label: &str, values: &[f64]| BoxGroup {
        label: label.into(),
        ink: SERIES[0],
        values: values.iter().enumerate().map(|(n, v)| (*v, format!("case {n}"))).collect(),
    };
    let scene = box_plot("HD", "mm", &[group("a", &[1.0, 2.0, f64::INFINITY]), group("b", &[])], None).unwrap();
    assert_eq!(count(&scene, |i| matches!(i, Item::Dot { .. })), 2);
    assert_eq!(count(&scene, |i| matches!(i, Item::Cross { note, .. } if note == "case 2: missed")), 1);
    assert!(box_plot("HD", "mm", &[group("b", &[])], None).is_none());
}

#[test]
fn labels_that_do_not_fit_are_told_apart_and_given_whole() {
    let labels = ["Left lung simulated, plain", "Left lung simulated, augmented", "Right lung simulated, plain"];
    let six: Vec<String> = labels.iter().flat_map(|l| [format!("{l} U-Net"), format!("{l} DeepLab")]).collect();
    let group = |label: &String| BoxGroup { label: label.clone(), ink: SERIES[0], values: vec![(0.5, "case".into())] };
    let groups: Vec<BoxGroup> = six.iter().map(group).collect();
    let scene = box_plot("Dice", "Dice", &groups, Some([0.0, 1.0])).unwrap();
    let words = |wanted: Anchor| -> Vec<&str> {
        let small = scene.items.iter().filter_map(|i| match i {
            Item::Text { anchor, size, text, .. } if *anchor == wanted && *size < 9.0 => Some(text.as_str()),
            _ => None,
        });
        small.collect()
    };
    // Under each box its number stands first; what all have is left out.
    let under = words(Anchor::Middle).join(" ");
    for n in 1..=6 {
        assert!(under.contains(&format!("{n}. ")), "{under}");
    }
    assert!(under.contains("Left") && under.contains("Right") && !under.contains("simul") && !under.contains("lung"));
    let list = words(Anchor::Start).join(" ");
    let picture = svg(&scene);
    for (n, label) in six.iter().enumerate() {
        assert!(list.contains(&format!("{}. {label}", n + 1)), "{list}");
        assert!(picture.contains(&format!("<title>{label}</title>")), "{picture}");
    }
    let lowest = scene.items.iter().filter_map(|i| if let Item::Text { at, .. } = i { Some(at[1]) } else { None });
    assert!(lowest.fold(0.0, f64::max) < scene.height);
    // Short ones stand as they are, without a list.
    let short = [group(&"Liver".into()), group(&"Left kidney".into())];
    let plain = box_plot("Dice", "Dice", &short, Some([0.0, 1.0])).unwrap();
    let texts = svg(&plain);
    assert!(texts.contains(">Left kidney<") && !texts.contains("1. "), "{texts}");
    assert!(plain.height < scene.height);
}

#[test]
fn pairs_survive_single_equal_and_infinite_values() {
    let pair = |first, second| Comparison { first, second, name: "x".into(), ink: SERIES[0] };
    assert!(bland_altman("v", "ml", &[]).is_none());
    for pairs in [vec![pair(1.0, 1.0)], vec![pair(0.0, 5.0), pair(3.0, f64::INFINITY)]] {
        for scene in [paired_lines("p", "", ["a", "b"], &pairs, true), scatter("s", ["x", "y"], &pairs, None)] {
            let picture = svg(&scene.unwrap());
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
    }
    let picture = svg(&bland_altman("v", "ml", &[pair(1.0, 3.0), pair(2.0, 2.0)]).unwrap());
    assert!(picture.contains("mean +1.0") && picture.contains("+1.96 SD"));
}

#[test]
fn axes_of_ratios_begin_where_the_values_are_and_say_so() {
    assert_eq!(overlap_range([0.97, 0.91, f64::INFINITY].into_iter()), [0.85, 1.0]);
    assert_eq!(overlap_range([0.97, 0.0].into_iter()), [0.0, 1.0]);
    assert_eq!(overlap_range(std::iter::empty()), [0.95, 1.0]);
    assert_eq!(overlap_range([1.0].into_iter()), [0.95, 1.0]);
    assert_eq!([[0.0, 1.0], [0.85, 1.0]].map(|r| named_range("Dice", r)), ["Dice", "Dice, from 0.85"]);
}

#[test]
fn the_loss_before_anything_is_learned_does_not_flatten_the_rest() {
    let line = |values: &[f64]| Line {
        name: "run".into(),
        ink: SERIES[0],
        dashed: false,
        points: values.iter().enumerate().map(|(n, v)| [n as f64, *v]).collect(),
    };
    let falling: Vec<f64> = (0..20)
        .map(|n| {
            if n == 0 {
                9.0
            } else if n == 1 {
                4.0
            } else {
                0.38
            }
        })
        .collect();
    assert_eq!(settled_top(&[line(&falling), line(&[0.2; 20])]), Some(0.4));
    assert_eq!(settled_top(&[line(&[0.5, 0.45, 0.4])]), None);
    assert_eq!(settled_top(&[line(&[7.0])]), None);
    assert_eq!(settled_top(&[]), None);
}

//! The window without a display while its device is lost.

use super::*;
use crate::core::{Geometry, Volume};
use crate::workspace::{EditCommand, KeptCase};
use glam::DVec3;
use std::path::Path;
use std::time::{Duration, Instant};

fn app(home: &Path, commands: Vec<OpenCommand>, watch: &Arc<DeviceWatch>) -> (egui::Context, App) {
    let ctx = egui::Context::default();
    let cc = eframe::CreationContext::_new_kittest(ctx.clone());
    let app = App::new(&cc, None, Home::under(home), commands, watch.clone());
    (ctx, app)
}

/// One frame; whether the window asked to be closed.
fn frame(ctx: &egui::Context, app: &mut App) -> bool {
    let size = egui::Vec2::new(1200.0, 800.0);
    let input = egui::RawInput {
        screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size)),
        ..egui::RawInput::default()
    };
    let mut output = ctx.run_ui(input, |ui| app.draw(ui, None));
    output.textures_delta.clear();
    output.viewport_output[&egui::ViewportId::ROOT].commands.contains(&egui::ViewportCommand::Close)
}

/// Draws until nothing runs in the background.
fn settle(ctx: &egui::Context, app: &mut App) {
    let begun = Instant::now();
    while {
        frame(ctx, app);
        app.workspace.is_busy()
    } {
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", app.workspace.tasks());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn scan(dir: &Path) -> PathBuf {
    let geometry = Geometry::axis_aligned([40, 36, 20], DVec3::ONE, DVec3::ZERO).unwrap();
    let path = dir.join("scan.nrrd");
    let volume = Volume::new(geometry, vec![0i16; geometry.voxel_count()]).unwrap();
    crate::io::save_volume(&path, &volume).unwrap();
    path
}

fn paint(app: &mut App, slice: f64) {
    let (from, to) = (DVec3::new(5.0, 5.0, slice), DVec3::new(30.0, 20.0, slice));
    app.workspace.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    app.workspace.dispatch(EditCommand::ExtendStroke { from, to });
    app.workspace.dispatch(EditCommand::CommitStroke);
}

fn labels(app: &App) -> Vec<u8> {
    app.workspace.active_document().and_then(|d| d.layer()).map(|l| l.labels.to_dense()).unwrap_or_default()
}

#[test]
fn a_lost_device_closes_the_window_and_the_next_one_shows_what_was_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let watch = Arc::new(DeviceWatch::blind());
    let path = scan(dir.path());
    let (ctx, mut first) = app(&home, vec![OpenCommand::Path(path.clone())], &watch);
    settle(&ctx, &mut first);
    paint(&mut first, 3.0);
    let drawn = labels(&first);
    assert!(drawn.contains(&1));
    assert!(!frame(&ctx, &mut first));
    watch.report("driver reset");
    // Unsaved work asks nothing: the window closes, and stays closed whatever is drawn after it.
    assert!(frame(&ctx, &mut first));
    assert!(frame(&ctx, &mut first));
    eframe::App::on_exit(&mut first);
    drop(first);

    let Ok(Ending::Lost(restart)) = conclude(Ok(()), &watch, vec![path], &AfterLoss::default()) else {
        panic!("the window was lost")
    };
    assert!(restart.sentence().contains("driver reset"));
    // The scan comes with its journal, and is not opened a second time.
    assert!(restart.paths.is_empty());

    let watch = Arc::new(DeviceWatch::blind());
    let commands = restart.following.resumption().map(OpenCommand::Resume).into_iter().collect();
    let (ctx, mut second) = app(&home, commands, &watch);
    settle(&ctx, &mut second);
    assert_eq!(labels(&second), drawn);
    assert_eq!(second.workspace.documents().len(), 1);
    eframe::App::on_exit(&mut second);
}

#[test]
fn a_panic_in_the_middle_of_a_frame_loses_nothing_either() {
    let dir = tempfile::tempdir().unwrap();
    let watch = Arc::new(DeviceWatch::blind());
    let (ctx, mut app) = app(&dir.path().join("home"), vec![OpenCommand::Path(scan(dir.path()))], &watch);
    settle(&ctx, &mut app);
    paint(&mut app, 3.0);
    let text = catch_panic::<()>(move || {
        let _app = app;
        panic!("wgpu error: Out of Memory");
    })
    .unwrap_err();
    let after = AfterLoss::default();
    let Ok(Ending::Lost(restart)) = conclude(Err(AppError::Defect(text)), &watch, Vec::new(), &after) else {
        panic!("the window was lost")
    };
    let resumption = restart.following.resumption().unwrap();
    let [KeptCase::Unsaved(journal)] = &resumption.cases[..] else { panic!("{resumption:?}") };
    let found = crate::io::journal::recover(journal).unwrap().unwrap();
    assert!(found.layers[0].labels.counts()[1] > 0);
}

#[test]
fn only_a_loss_is_followed_by_a_start() {
    let after = AfterLoss::default();
    let watch = DeviceWatch::blind();
    assert!(matches!(conclude(Ok(()), &watch, Vec::new(), &after), Ok(Ending::Closed)));
    let defect = || Err(AppError::Defect("index out of bounds".into()));
    assert!(matches!(conclude(defect(), &watch, Vec::new(), &after), Err(AppError::Defect(_))));
    let refused = Err(AppError::Window("no surface".into()));
    assert!(matches!(conclude(refused, &watch, Vec::new(), &after), Err(AppError::Window(_))));
    // Lost before the window was there: what was asked for is opened by the next program.
    watch.report("driver reset");
    let refused = Err(AppError::Window("no surface".into()));
    let Ok(Ending::Lost(restart)) = conclude(refused, &watch, vec!["/scans/p1".into()], &after) else { panic!() };
    assert_eq!(restart.paths, [PathBuf::from("/scans/p1")]);
    // Closed by its user in the same moment: closed.
    assert!(matches!(conclude(Ok(()), &watch, Vec::new(), &after), Ok(Ending::Closed)));
    let mut again = after;
    for _ in 0..3 {
        let Ok(Ending::Lost(restart)) = conclude(Err(AppError::Window(String::new())), &watch, Vec::new(), &again)
        else {
            panic!()
        };
        again = restart.following;
    }
    let stopped = conclude(Err(AppError::Window(String::new())), &watch, Vec::new(), &again);
    assert!(matches!(stopped, Err(AppError::Lost(_))), "{stopped:?}");
}

/// Makes a device go.
type Loss = Box<dyn FnOnce(&DeviceWatch)>;

/// A real device with its watch, where there is one; and what makes it go.
fn device_to_lose() -> (Arc<DeviceWatch>, Loss) {
    let Ok(gpu) = SharedGpu::create() else {
        println!("no graphics device: the loss is made up");
        return (Arc::new(DeviceWatch::blind()), Box::new(|watch: &DeviceWatch| watch.report("driver reset")));
    };
    // One of its own: the others' goes on.
    let (device, queue) = pollster::block_on(gpu.adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
    (Arc::new(DeviceWatch::new(&device, &queue)), Box::new(move |_: &DeviceWatch| device.destroy()))
}

#[test]
fn masks_and_their_undo_outlive_one_device_after_another() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let mut commands = vec![OpenCommand::Path(scan(dir.path()))];
    let mut after = AfterLoss::default();
    let mut before: Vec<Vec<u8>> = Vec::new();
    for generation in 0..3 {
        let (watch, lose) = device_to_lose();
        let (ctx, mut app) = app(&home, std::mem::take(&mut commands), &watch);
        settle(&ctx, &mut app);
        if let Some(drawn) = before.last() {
            assert_eq!(labels(&app), *drawn, "after {generation} losses");
            // Every stroke of every window before this one can be taken back, one by one, and done again.
            for earlier in before.iter().rev().skip(1) {
                app.workspace.dispatch(EditCommand::Undo);
                assert_eq!(labels(&app), *earlier, "after {generation} losses");
            }
            for later in before.iter().skip(1) {
                app.workspace.dispatch(EditCommand::Redo);
                assert_eq!(labels(&app), *later, "after {generation} losses");
            }
        }
        paint(&mut app, 2.0 + 4.0 * generation as f64);
        before.push(labels(&app));
        assert!(!frame(&ctx, &mut app));
        // A stroke is under way when the device goes.
        let slice = 4.0 + 4.0 * generation as f64;
        let (from, to) = (DVec3::new(5.0, 5.0, slice), DVec3::new(30.0, 20.0, slice));
        app.workspace.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
        app.workspace.dispatch(EditCommand::ExtendStroke { from, to });
        lose(&watch);
        assert!(frame(&ctx, &mut app), "the window of a lost device closes");
        before.push(labels(&app));
        eframe::App::on_exit(&mut app);
        drop(app);
        let Ok(Ending::Lost(restart)) = conclude(Ok(()), &watch, Vec::new(), &after) else {
            panic!("the window was lost")
        };
        after = restart.following;
        commands = after.resumption().map(OpenCommand::Resume).into_iter().collect();
    }
    assert_eq!(before.len(), 6);
    assert!(before.array_windows().all(|[a, b]| a != b), "every stroke changed something");
}

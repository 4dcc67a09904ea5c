//! An image that holds no HU: laid over a CT, looked at, kept in a project, and refused for everything else.

use super::*;
use crate::predict::PredictOptions;

impl Desk {
    /// An image of SUV on the grid of the scan, 0 to 6.39, as a file of 32-bit floats.
    fn suv_file(&self) -> PathBuf {
        let header = format!(
            "NRRD0004\ntype: float\ndimension: 3\nsizes: {} {} {}\nspace: LPS\n\
             space directions: (0.8,0,0) (0,0.8,0) (0,0,2.5)\nspace origin: (0,0,0)\nendian: little\nencoding: raw\n\n",
            DIMS[0], DIMS[1], DIMS[2]
        );
        let values = (0..DIMS.iter().product::<usize>()).map(|n| (n % 640) as f32 / 100.0);
        let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        let path = self.dir.path().join("suv.nrrd");
        std::fs::write(&path, [header.as_bytes(), &bytes].concat()).unwrap();
        path
    }

    fn open_suv(&mut self) -> CaseId {
        let path = self.suv_file();
        self.w.dispatch(OpenCommand::Path(path));
        self.settle();
        assert!(self.document().is_overlay(), "{:?}", self.w.take_notices());
        self.document().case.id
    }
}

const REFUSAL: &str = "holds no Hounsfield units: it is laid over a CT and looked at";

#[test]
fn what_asks_for_hu_is_refused_in_a_sentence() {
    let mut desk = Desk::with_case();
    let ct = desk.document().case.id;
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let layer = desk.layer_id();
    let mask = desk.dir.path().join("mask.nrrd");
    desk.w.dispatch(FileCommand::ExportMask(mask.clone()));
    desk.settle();
    let overlay = desk.open_suv();
    desk.w.take_notices();
    let form = desk.train_form("run", 1);
    let run = desk.dir.path().join("run");
    let device = DeviceChoice::Cpu;
    let options = PredictOptions::default();
    let commands: Vec<(&str, Command)> = vec![
        ("a stroke", EditCommand::BeginStroke { erase: false, through_axis: 2 }.into()),
        ("a layer", LayerCommand::New.into()),
        ("a segment", SegmentCommand::Add.into()),
        ("a preset", ViewCommand::Preset(2).into()),
        ("training", ModelCommand::Train(form.clone()).into()),
        ("samples", ModelCommand::Preview(form).into()),
        ("prediction", ModelCommand::Predict { run: run.clone(), device }.into()),
        ("prediction into", WorkCommand::PredictInto { runs: vec![run], options, device }.into()),
        ("comparing", ReviewCommand::Compare { truth: layer, prediction: layer }.into()),
        ("learning", LearnCommand::AddCase.into()),
        ("a mask", FileCommand::ImportMask(mask).into()),
        ("the image", FileCommand::ExportVolume(desk.dir.path().join("out.nrrd")).into()),
    ];
    let window = desk.document().view.window;
    for (what, command) in commands {
        desk.w.dispatch(command);
        let told = desk.w.take_notices();
        assert!(told.len() == 1 && told[0].text.contains(REFUSAL), "{what}: {told:?}");
        assert!(!desk.w.is_busy(), "{what}");
    }
    assert!(desk.document().case.layers.is_empty() && desk.document().view.window == window);
    assert!(!desk.dir.path().join("out.nrrd").exists());
    // The same is done on the CT.
    desk.w.dispatch(OpenCommand::Activate(ct));
    desk.w.dispatch(LayerCommand::New);
    assert_eq!(desk.document().case.layers.len(), 2);
    assert!(desk.w.take_notices().is_empty());
    assert!(desk.w.document(overlay).unwrap().case.layers.is_empty());
}

#[test]
fn it_is_laid_over_with_a_window_over_its_own_values() {
    let mut desk = Desk::with_case();
    let ct = desk.document().case.id;
    let overlay = desk.open_suv();
    desk.w.dispatch(OpenCommand::Activate(ct));
    desk.w.dispatch(PictureCommand::Fuse(Some(overlay)));
    let fusion = desk.document().view.fusion.unwrap();
    assert_eq!(fusion.case, overlay);
    let values = desk.w.document(overlay).unwrap().values();
    let shown = values.of_values(fusion.window);
    // 99.5 % of 0.00 to 6.39.
    assert!((shown.window_width - 6.36).abs() < 0.02 && (shown.window_center - 3.18).abs() < 0.02, "{shown:?}");
    let volume = desk.w.document(overlay).unwrap().case.volume.clone().unwrap();
    assert_eq!(values.text(volume.at([17, 3, 0]).unwrap()), "1.370");
    // A region on it is told without HU, which it has not.
    let region = crate::core::Shape::Rectangle([DVec3::new(2.0, 2.0, 1.0), DVec3::new(9.0, 9.0, 1.0)]);
    assert!(region.measure(2, volume.geometry(), Some(&*volume)).hu.is_none());
    let ct = desk.document().case.volume.clone().unwrap();
    assert!(region.measure(2, ct.geometry(), Some(&*ct)).hu.is_some());
}

#[test]
fn a_project_brings_it_back_with_its_values() {
    let mut desk = Desk::empty();
    let overlay = desk.open_suv();
    let before = desk.document().case.volume.clone().unwrap();
    let project = desk.dir.path().join("suv.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    desk.w.dispatch(OpenCommand::Close(overlay));
    desk.w.dispatch(OpenCommand::Path(project));
    desk.settle();
    let after = desk.document().case.volume.clone().unwrap();
    assert_eq!((after.hu(), &after.scale), (before.hu(), &before.scale));
    assert!(desk.document().is_overlay());
}

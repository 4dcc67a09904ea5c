//! Memory of burn's tensors that other passes share.

use super::*;

#[test]
fn a_room_keeps_its_numbers_and_only_a_graphics_device_shares_them() {
    on_devices(|device| {
        let room = DeviceRoom::new(device, [1, 2, 3, 5]).unwrap();
        assert_eq!(room.read().unwrap(), [0.0; 30]);
        let values: Vec<f32> = (0..30).map(|v| v as f32 - 7.5).collect();
        let filled = room.filled(values.clone()).unwrap();
        filled.wait().unwrap();
        assert_eq!((filled.read().unwrap(), room.read().unwrap()), (values, vec![0.0; 30]));
        let shared = filled.buffer();
        if device.mode == DeviceMode::Cpu {
            let error = shared.err().unwrap().to_string();
            assert!(error.contains("no graphics device"), "{error}");
            return;
        }
        let shared = shared.unwrap();
        let (buffer, offset, size) = shared.place();
        assert!(size >= 30 * 4 && offset + size <= buffer.size(), "{size} bytes from {offset} of {}", buffer.size());
    });
}

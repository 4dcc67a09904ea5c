// Slices of a volume as a network takes them: in reading order, resampled, rounded to whole HU, mapped to its range. The
// arithmetic is that of `nn::resample_hu` and `nn::Intensity`, in the same order.

struct Input {
    // Voxel axes to the right, down and through the slices, and the first slice.
    axes: vec3<u32>,
    first_slice: u32,
    // Whether an axis runs the other way; columns and rows of a slice.
    flip: vec2<u32>,
    extent: vec2<u32>,
    // Edge of a picture; room for weights of a column and of a row; whether values are clipped.
    size: u32,
    columns: u32,
    rows: u32,
    clip: u32,
    // HU of 0, HU between that and 1.
    low: f32,
    range: f32,
    spare: vec2<u32>,
}

@group(0) @binding(0) var<uniform> u: Input;
@group(0) @binding(1) var volume: texture_3d<i32>;
// For each column, then each row of a picture: the first source pixel, their number, and as many weights as there is room.
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> pictures: array<f32>;

fn hu(x: u32, y: u32, slice: u32) -> f32 {
    var at = vec3<u32>(0u);
    at[u.axes.x] = select(x, u.extent.x - 1u - x, u.flip.x != 0u);
    at[u.axes.y] = select(y, u.extent.y - 1u - y, u.flip.y != 0u);
    at[u.axes.z] = slice;
    return f32(textureLoad(volume, at, 0).x);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= u.size || id.y >= u.size) {
        return;
    }
    let column = id.x * (u.columns + 2u);
    let row = u.size * (u.columns + 2u) + id.y * (u.rows + 2u);
    let left = u32(weights[column]);
    let top = u32(weights[row]);
    var sum = 0.0;
    for (var y = 0u; y < u32(weights[row + 1u]); y++) {
        var line = 0.0;
        for (var x = 0u; x < u32(weights[column + 1u]); x++) {
            line += hu(left + x, top + y, u.first_slice + id.z) * weights[column + 2u + x];
        }
        sum += line * weights[row + 2u + y];
    }
    // Halves away from zero.
    let whole = clamp(sign(sum) * floor(abs(sum) + 0.5), -32768.0, 32767.0);
    let value = (whole - u.low) / u.range;
    pictures[(id.z * u.size + id.y) * u.size + id.x] = select(value, clamp(value, 0.0, 1.0), u.clip != 0u);
}

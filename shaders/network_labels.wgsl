// Labels of a slice from a network's probabilities, four to a word, in rows of voxels as a texture takes them. The rules are
// those of `nn::Segmenter::labels`: a threshold for one class, the largest of several, the first of equals.

struct Labels {
    // Voxels of a slice along i and j; words of a row; channels.
    dims: vec2<u32>,
    row: u32,
    channels: u32,
    // Whether columns run along j, and whether columns and rows run the other way.
    turned: u32,
    flip: vec2<u32>,
    threshold: f32,
}

@group(0) @binding(0) var<uniform> u: Labels;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;

fn label(i: u32, j: u32) -> u32 {
    let size = select(u.dims, u.dims.yx, u.turned != 0u);
    var at = select(vec2<u32>(i, j), vec2<u32>(j, i), u.turned != 0u);
    at = select(at, size - 1u - at, u.flip != vec2<u32>(0u));
    let pixel = at.y * size.x + at.x;
    if (u.channels == 1u) {
        return u32(probabilities[pixel] >= u.threshold);
    }
    var found = 0u;
    var best = probabilities[pixel];
    for (var channel = 1u; channel < u.channels; channel++) {
        let p = probabilities[channel * size.x * size.y + pixel];
        if (p > best) {
            best = p;
            found = channel;
        }
    }
    return found;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x * 4u >= u.dims.x || id.y >= u.dims.y) {
        return;
    }
    var word = 0u;
    for (var n = 0u; n < 4u; n++) {
        let i = id.x * 4u + n;
        if (i < u.dims.x) {
            word |= label(i, id.y) << (8u * n);
        }
    }
    labels[id.y * u.row + id.x] = word;
}

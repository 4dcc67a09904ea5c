//! What a device's matrix units are, and the words in which kernels ask them. Called by the kernels beside it.

/// Matrix units that multiply 16-bit floats and add up in 32-bit ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Rows and columns of all three matrices.
    pub side: usize,
    /// Invocations of a subgroup, which share a matrix.
    pub lanes: usize,
    /// Bytes of workgroup memory.
    pub shared: usize,
}

impl Unit {
    /// The directives at the head of a module.
    pub fn head(&self) -> &'static str {
        "enable f16;\nenable wgpu_cooperative_matrix;\n"
    }

    /// Numbers of a matrix.
    pub fn area(&self) -> usize {
        self.side * self.side
    }

    /// A sum that starts at 0.
    pub fn sum(&self, name: &str) -> String {
        let side = self.side;
        format!("var {name} = coop_mat{side}x{side}<f32, C>();\n")
    }

    /// The left factor `name` from an array of `vec4<f16>`: rows `pitch` apart, `at` and `pitch` in vectors.
    pub fn left(&self, name: &str, array: &str, at: &str, pitch: usize) -> String {
        self.load(name, array, 'A', at, pitch, true)
    }

    /// As [`Self::left`], with columns `pitch` apart.
    pub fn left_turned(&self, name: &str, array: &str, at: &str, pitch: usize) -> String {
        self.load(name, array, 'A', at, pitch, false)
    }

    /// The right factor, with rows `pitch` apart.
    pub fn right(&self, name: &str, array: &str, at: &str, pitch: usize) -> String {
        self.load(name, array, 'B', at, pitch, true)
    }

    /// The right factor, with columns `pitch` apart.
    pub fn right_turned(&self, name: &str, array: &str, at: &str, pitch: usize) -> String {
        self.load(name, array, 'B', at, pitch, false)
    }

    fn load(&self, name: &str, array: &str, role: char, at: &str, pitch: usize, rows: bool) -> String {
        let (side, turn) = (self.side, if rows { "T" } else { "" });
        format!("let {name} = coopLoad{turn}<coop_mat{side}x{side}<f16, {role}>>(&{array}[{at}], {pitch}u);\n")
    }

    /// `sum += a * b`.
    pub fn add(&self, sum: &str, a: &str, b: &str) -> String {
        format!("{sum} = coopMultiplyAdd({a}, {b}, {sum});\n")
    }

    /// A sum times `factor` into an array of `f32`: rows `pitch` apart.
    pub fn store(&self, sum: &str, array: &str, at: &str, pitch: &str, factor: Option<&str>) -> String {
        let times = factor.map_or(String::new(), |f| format!(" * {f}"));
        // naga computes what the call is given only where it has a name.
        format!(
            "{{ let value = {sum}{times}; let place = {at}; let pitch = {pitch}; coopStoreT(value, &{array}[place], pitch); }}\n"
        )
    }
}

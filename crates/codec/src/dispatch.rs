//! Hot loops are compiled twice: for each processor of the architecture, and for those with AVX2 and BMI2, whose shifts
//! take one step instead of three.

/// Runs `work` as the processor does it best. What it calls must be inlined, or else stays as it is.
#[inline(always)]
pub fn dispatched<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = fearless_simd::Level::new().as_avx2() {
        return fearless_simd::Simd::vectorize(avx2, work);
    }
    work()
}

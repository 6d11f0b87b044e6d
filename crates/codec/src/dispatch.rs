//! Compiles hot loops twice: for the architecture's baseline, and for processors with AVX2 and BMI2, which shift in one
//! instruction instead of three.

/// Runs `work` with the instructions that the processor has. Only inlined calls are compiled twice.
#[inline(always)]
pub fn dispatched<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = fearless_simd::Level::new().as_avx2() {
        return fearless_simd::Simd::vectorize(avx2, work);
    }
    work()
}

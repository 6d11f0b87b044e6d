# One image for every role: `darkroom worker` by default, `darkroom api` on Lambda, `darkroom sweep` on a schedule.
#
#   docker buildx build --platform linux/arm64 --provenance=false --sbom=false --tag REPOSITORY:VERSION-arm64 --push .
#
# One tag per architecture and no attestations: Lambda takes no index of several images.

# --- The binary -------------------------------------------------------------------------------------------------------

FROM rust:1.95-slim-bookworm AS build

# The image codecs are built from source.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake make nasm \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /darkroom

# The dependencies alone, as long as they do not change: the workspace's own files are empty here.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY crates/codec/Cargo.toml crates/codec/
COPY crates/testing/Cargo.toml crates/testing/
COPY crates/thumbnail/Cargo.toml crates/thumbnail/
RUN mkdir src crates/codec/src crates/testing/src crates/thumbnail/src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs crates/codec/src/lib.rs crates/testing/src/lib.rs crates/thumbnail/src/lib.rs \
    && cargo build --release --locked --package darkroom \
    && rm -rf src crates target/release/.fingerprint/darkroom-* target/release/deps/*darkroom*

COPY crates crates
COPY src src
# For `darkroom --version`: --build-arg BUILD_COMMIT="$(git rev-parse --short=12 HEAD)"
ARG BUILD_COMMIT
RUN cargo build --release --locked --package darkroom \
    && strip target/release/darkroom

# --- What it needs to run ---------------------------------------------------------------------------------------------

FROM debian:bookworm-slim AS root

COPY deploy/container-root /usr/local/bin/
# The packages' versions are those of the release's latest security update, on purpose.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && container-root /root-of-image

# --- The image: the binary, the C library, certificates; no shell -----------------------------------------------------

FROM scratch

COPY --from=root /root-of-image /
COPY --from=build /darkroom/target/release/darkroom /usr/local/bin/darkroom

USER 65532:65532

# A container's own loopback is of no use to anybody else.
ENV DARKROOM_LISTEN=0.0.0.0:8080

# Exec form: darkroom is process 1 and gets SIGTERM itself.
ENTRYPOINT ["/usr/local/bin/darkroom"]
CMD ["worker"]

HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/darkroom", "check", "--health"]

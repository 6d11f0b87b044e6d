//! Writes every file of docs/FORMATS.md into a folder: `formats DIR`.

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "formats".into()));
    std::fs::create_dir_all(&folder)?;
    darkroom_testing::formats::all().into_iter().try_for_each(|it| std::fs::write(folder.join(it.name), it.bytes))
}

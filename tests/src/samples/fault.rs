//! Damage that recordings have in the wild, or that an attacker would do to them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};

/// One way in which the folder of a presentation is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// metadata.xml ends in the middle.
    TruncatedMetadata,
    /// metadata.xml is not there.
    NoMetadata,
    /// shapes.svg is not there.
    NoShapes,
    /// shapes.svg ends in the middle.
    TruncatedShapes,
    /// tldraw.json ends in the middle.
    TruncatedTldraw,
    /// Webcams and sound are files of no bytes.
    ZeroByteMedia,
    /// Neither video/ nor audio/.
    NoMedia,
    /// The pictures of the slides are not there.
    NoSlides,
    /// Image addresses that lead out of the folder or to the network, and absurd numbers.
    HostileHrefs,
    /// A document type with external and expanding entities.
    Entities,
    /// Symbolic links that lead out of the folder.
    Symlinks,
    /// A shape of a kind that nobody knows.
    UnknownShape,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 12] = [
        Fault::TruncatedMetadata,
        Fault::NoMetadata,
        Fault::NoShapes,
        Fault::TruncatedShapes,
        Fault::TruncatedTldraw,
        Fault::ZeroByteMedia,
        Fault::NoMedia,
        Fault::NoSlides,
        Fault::HostileHrefs,
        Fault::Entities,
        Fault::Symlinks,
        Fault::UnknownShape,
    ];

    /// The fault's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::TruncatedMetadata => "truncated-metadata",
            Fault::NoMetadata => "no-metadata",
            Fault::NoShapes => "no-shapes",
            Fault::TruncatedShapes => "truncated-shapes",
            Fault::TruncatedTldraw => "truncated-tldraw",
            Fault::ZeroByteMedia => "zero-byte-media",
            Fault::NoMedia => "no-media",
            Fault::NoSlides => "no-slides",
            Fault::HostileHrefs => "hostile-hrefs",
            Fault::Entities => "entities",
            Fault::Symlinks => "symlinks",
            Fault::UnknownShape => "unknown-shape",
        }
    }

    /// Does the damage to `folder`.
    pub(super) fn apply(self, folder: &Path) -> Result<()> {
        let file = |name: &str| folder.join(name);
        match self {
            Fault::TruncatedMetadata => truncate(&file("metadata.xml")),
            Fault::NoMetadata => remove(&file("metadata.xml")),
            Fault::NoShapes => remove(&file("shapes.svg")),
            Fault::TruncatedShapes => truncate(&file("shapes.svg")),
            Fault::TruncatedTldraw => truncate(&file("tldraw.json")),
            Fault::ZeroByteMedia => {
                for name in ["video/webcams.webm", "audio/audio.webm", "audio/audio.ogg"] {
                    if file(name).exists() {
                        fs::write(file(name), [])?;
                    }
                }
                Ok(())
            }
            Fault::NoMedia => {
                for name in ["video", "audio"] {
                    if file(name).exists() {
                        fs::remove_dir_all(file(name))?;
                    }
                }
                Ok(())
            }
            Fault::NoSlides => Ok(fs::remove_dir_all(file("presentation"))?),
            Fault::HostileHrefs => edit(&file("shapes.svg"), |svg| {
                svg.replacen("</svg>", HOSTILE, 1)
            }),
            Fault::Entities => {
                edit(&file("metadata.xml"), |xml| {
                    let body = xml.split_once("?>").map_or(xml.as_str(), |(_, body)| body);
                    let body = body.replacen("</meetingName>", "&outside;&d;</meetingName>", 1);
                    format!("<?xml version=\"1.0\"?>\n{ENTITIES}{body}")
                })?;
                edit(&file("panzooms.xml"), |xml| {
                    let body = xml.split_once("?>").map_or(xml.as_str(), |(_, body)| body);
                    format!("<?xml version=\"1.0\"?>\n{ENTITIES}{body}")
                })
            }
            Fault::Symlinks => {
                symlink("/etc/passwd", file("presentation_text.link"))?;
                symlink("../../../..", file("outside"))?;
                remove(&file("cursor.xml"))?;
                Ok(symlink("/dev/zero", file("cursor.xml"))?)
            }
            Fault::UnknownShape => {
                let tldraw = file("tldraw.json");
                if tldraw.exists() {
                    return edit(&tldraw, |json| {
                        json.replacen("\"type\":\"draw\"", "\"type\":\"hologram\"", 1)
                    });
                }
                edit(&file("shapes.svg"), |svg| {
                    svg.replacen("<path d=\"M", "<hologram depth=\"3\"/><path d=\"M", 1)
                        .replacen("<polyline ", "<hologram depth=\"3\"/><polyline ", 1)
                })
            }
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Fault::ALL
            .into_iter()
            .find(|fault| fault.name() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
                format!("no fault {text:?}; known: {}", known.join(", "))
            })
    }
}

const ENTITIES: &str = "<!DOCTYPE recording [\n<!ENTITY outside SYSTEM \"file:///etc/passwd\">\n<!ENTITY a \"aaaaaaaaaaaaaaaa\">\n<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\n<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\n<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">\n]>\n";

const HOSTILE: &str = r#"  <image id="image900" class="slide" in="0.0" out="1.0" xlink:href="/etc/passwd" width="1600" height="1200" x="0" y="0"/>
  <image id="image901" class="slide" in="1.0" out="2.0" xlink:href="../../../../../etc/hostname" width="1600" height="1200" x="0" y="0"/>
  <image id="image902" class="slide" in="2.0" out="3.0" xlink:href="file:///etc/passwd" width="1600" height="1200" x="0" y="0"/>
  <image id="image903" class="slide" in="3.0" out="4.0" xlink:href="http://127.0.0.1:9/picture.png" width="1600" height="1200" x="0" y="0"/>
  <image id="image904" class="slide" in="NaN" out="1e400" xlink:href="presentation/missing.png" width="-5" height="99999999999" x="0" y="0"/>
  <g class="canvas" id="canvas904" image="image904" display="none"><g class="shape" id="x" timestamp="-7" undo="zzz" shape="image904-rect" style="stroke:url(#none);stroke-width:1e300"><path d="M 1e308 1e308 L nan nan Z"/></g></g>
  <script>alert(1)</script>
</svg>"#;

fn truncate(path: &Path) -> Result<()> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(fs::write(path, &content[..content.len() / 2])?)
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) -> Result<()> {
    let content =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(fs::write(path, change(content))?)
}

//! Languages as MP4 files name them.

use std::str::FromStr;

/// ISO 639 codes of two letters and their three-letter (terminology) equals.
const CODES: &str = "aa aar ab abk af afr am amh ar ara as asm ay aym az aze ba bak be bel bg bul \
    bn ben bo bod br bre bs bos ca cat co cos cs ces cy cym da dan de deu dv div dz dzo el ell \
    en eng eo epo es spa et est eu eus fa fas ff ful fi fin fj fij fo fao fr fra fy fry ga gle \
    gd gla gl glg gn grn gu guj ha hau he heb hi hin hr hrv ht hat hu hun hy hye ia ina id ind \
    ig ibo is isl it ita iu iku ja jpn jv jav ka kat kg kon kk kaz kl kal km khm kn kan ko kor \
    ku kur ky kir la lat lb ltz lg lug ln lin lo lao lt lit lv lav mg mlg mi mri mk mkd ml mal \
    mn mon mr mar ms msa mt mlt my mya nb nob nd nde ne nep nl nld nn nno no nor nr nbl nv nav \
    ny nya oc oci om orm or ori pa pan pl pol ps pus pt por qu que rm roh rn run ro ron ru rus \
    rw kin sa san sc srd sd snd se sme sg sag si sin sk slk sl slv sm smo sn sna so som sq sqi \
    sr srp ss ssw st sot su sun sv swe sw swa ta tam te tel tg tgk th tha ti tir tk tuk tl tgl \
    tn tsn to ton tr tur ts tso tt tat tw twi ug uig uk ukr ur urd uz uzb ve ven vi vie vo vol \
    wa wln wo wol xh xho yi yid yo yor za zha zh zho zu zul";

/// A language, by its ISO 639-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language([u8; 3]);

impl Language {
    /// When nobody knows.
    pub const UNKNOWN: Language = Language(*b"und");

    /// Three lower-case letters.
    #[must_use]
    pub fn code(&self) -> &str {
        // Only letters get in.
        std::str::from_utf8(&self.0).unwrap_or("und")
    }
}

impl FromStr for Language {
    type Err = String;

    /// Reads a locale (`fr`, `pt-BR`, `zh_TW`) or a code of three letters.
    fn from_str(text: &str) -> Result<Language, String> {
        let first = text
            .split(['-', '_'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let mut codes = CODES.split_whitespace();
        let code = match first.len() {
            3 if first.bytes().all(|letter| letter.is_ascii_lowercase()) => Some(first.as_str()),
            2 => codes.find(|code| *code == first).and(codes.next()),
            _ => None,
        };
        code.and_then(|code| code.as_bytes().try_into().ok())
            .map(Language)
            .ok_or_else(|| format!("{text:?} is no language; write it as fr, pt-BR or fra"))
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_have_a_language() {
        for (text, code) in [
            ("fr", "fra"),
            ("pt-BR", "por"),
            ("zh_TW", "zho"),
            ("DE", "deu"),
            ("zu", "zul"),
            ("gsw", "gsw"),
        ] {
            assert_eq!(text.parse::<Language>().unwrap().code(), code, "{text}");
        }
        for wrong in ["", "f", "xq", "français", "a1b", "aar ab"] {
            assert!(wrong.parse::<Language>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_table_is_in_pairs() {
        let codes: Vec<&str> = CODES.split_whitespace().collect();
        for pair in codes.chunks(2) {
            assert_eq!((pair[0].len(), pair[1].len()), (2, 3), "{pair:?}");
        }
    }
}

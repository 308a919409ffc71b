//! Filling the site beyond what its API allows: what an administrator does in Pod's web pages or
//! database.

use serde_json::{Map, Value, json};

use super::controls::Controls;
use super::encoding;
use super::recorder;
use super::server;
use super::settings::Settings;
use super::web;
use super::world::{Crash, World, object};

/// The token of `admin`, a superuser.
pub const ADMIN_TOKEN: &str = "adad000000000000000000000000000000000001";
/// The token of `staff1`, staff but not superuser.
pub const STAFF_TOKEN: &str = "5aff000000000000000000000000000000000002";
/// The token of `student1`, who may not use the API.
pub const STUDENT_TOKEN: &str = "57de000000000000000000000000000000000003";

/// The site as it stands after its installation and the first three users.
pub(crate) fn first_steps(world: &mut World) {
    let domain = world.settings.site_domain.clone();
    world.insert("sites", object(json!({"name": domain, "domain": domain})));
    world.insert("types", object(json!({"title": "Autre", "slug": "other", "description": "", "icon": null, "sites": [1]})));
    for (name, first, last, staff, token) in [
        ("admin", "", "", true, ADMIN_TOKEN),
        ("staff1", "Stef", "Staff", true, STAFF_TOKEN),
        ("student1", "Stu", "Dent", false, STUDENT_TOKEN),
    ] {
        let id = world.insert(
            "users",
            user_row(name, first, last, &format!("{name}@univ.fr"), staff),
        );
        world.user_signals(id);
        world.tokens.insert(token.to_owned(), id);
        world.passwords.insert(id, format!("{name}pass1"));
    }
    if let Some(admin) = world.row_mut("users", 1) {
        admin.insert("is_superuser".into(), true.into());
    }
    let recorder = json!({
        "name": "BBB claim", "description": "", "address_ip": "192.168.1.10", "recording_type": "video", "sites": [1],
        "salt": "abcdefgh", "directory": "bbbclaim", "type": 1, "is_draft": true, "user": null, "publication_auto": false,
    });
    world.insert("recorder", object(recorder));
    // A folder that cannot be made shows when a test puts a file into it.
    let _ = std::fs::create_dir_all(world.recorder_root.join("bbbclaim"));
}

fn user_row(
    username: &str,
    first: &str,
    last: &str,
    email: &str,
    staff: bool,
) -> Map<String, Value> {
    object(json!({
        "username": username, "first_name": first, "is_staff": staff, "last_name": last, "email": email, "groups": [],
    }))
}

impl Controls {
    /// Changes the site's settings; port and folders stay as they were at the start.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.world().settings);
    }

    /// A user as Pod makes one, with owner row and home folder; its id.
    pub fn add_user(&self, username: &str, staff: bool) -> u64 {
        let mut world = self.shared.world();
        let id = world.insert(
            "users",
            user_row(username, "", "", &format!("{username}@univ.fr"), staff),
        );
        world.user_signals(id);
        id
    }

    /// A user made by SQL who lacks the owner row and the home folder; its id.
    pub fn add_bare_user(&self, username: &str, staff: bool) -> u64 {
        self.shared
            .world()
            .insert("users", user_row(username, "", "", "", staff))
    }

    /// Any row in any table, links as ids; its id.
    pub fn add_row(&self, table: &str, row: Value) -> u64 {
        self.shared.world().insert(table, object(row))
    }

    /// Changes some columns of a row, links as ids.
    pub fn set_row(&self, table: &str, id: u64, columns: Value) {
        if let Some(row) = self.shared.world().row_mut(table, id) {
            row.extend(object(columns));
        }
    }

    /// Deletes a row and nothing that hangs on it.
    pub fn remove_row(&self, table: &str, id: u64) {
        self.shared.world().remove(table, id);
    }

    /// The id that the next row of a table gets.
    pub fn set_next_id(&self, table: &str, id: u64) {
        self.shared.world().table(table).next = id;
    }

    /// A token for a user; 40 hexadecimal digits.
    pub fn add_token(&self, user: u64, token: &str) {
        self.shared.world().tokens.insert(token.to_owned(), user);
    }

    /// Declares a path under the media folder taken.
    pub fn occupy_media(&self, path: &str) {
        self.shared.world().media.insert(path.to_owned());
    }

    /// Tags a video in the web pages: from then on 4.1.0 fails on every answer that carries it.
    pub fn tag_video(&self, id: u64, tags: &[&str]) {
        self.set_row("videos", id, json!({"tags": tags}));
    }

    /// Ends the encoding of a video well, at once.
    pub fn finish_encoding(&self, id: u64) {
        encoding::finish(&mut self.shared.world(), id);
    }

    /// Sets what the API tells of a video's encoding.
    pub fn set_encoding(&self, id: u64, in_progress: bool, encoded: bool, step: &str) {
        encoding::set(&mut self.shared.world(), id, in_progress, encoded, step);
    }

    /// One pass of the cron that looks for files in the recorders' directories.
    pub fn check_directories(&self) {
        recorder::check_directories(&mut self.shared.world());
    }

    /// A user claims a listed file in the web pages; the video's id, or the exception's name.
    pub fn claim(&self, file: &str, user: u64, title: &str) -> Result<u64, &'static str> {
        let video = recorder::claim(&mut self.shared.world(), file, user, title);
        server::start_encodings(&self.shared);
        video.map_err(|Crash(name)| name)
    }

    /// The cookie of a logged-in user's session, as the Cookie header's text.
    pub fn session(&self, user: u64) -> String {
        format!(
            "sessionid={}",
            web::open_session(&mut self.shared.world(), user)
        )
    }
}

#!/usr/bin/env node
/*
 * Stands where Esup-Pod expects bbb-recorder: `node export.js URL FILE` makes the video of a
 * BigBlueButton presentation with bbb2pod-receiver, without a browser. See README.md.
 *
 *   node export.js URL [FILE [SECONDS [true|false]]]
 *
 * Exit codes: 0 the video is there, 1 it could not be made, 2 the recording's server cannot be
 * reached. Everything that is said goes to standard error, which Pod keeps in a log.
 */
'use strict';

const { spawn } = require('child_process');
const fs = require('fs');
const path = require('path');

const OK = 0;
const FAILED = 1;
const UNREACHABLE = 2;

/** What ends the program with a line of explanation. */
class Problem extends Error {
  constructor(message, code = FAILED) {
    super(message);
    this.code = code;
  }
}

/** The settings beside this file, in bbb-recorder's own format: lines of `key=value`. */
function settings() {
  const found = {};
  let text = '';
  try {
    text = fs.readFileSync(path.join(__dirname, '.env'), 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw new Problem(`${error.message}; make .env readable`);
  }
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match) found[match[1]] = match[2].replace(/^(["'])(.*)\1$/, '$2');
  }
  return found;
}

/** The recording that a playback address of any generation means. */
function recordingOf(url) {
  let parsed = { protocol: '', pathname: '' };
  try {
    parsed = new URL(url);
  } catch (error) {
    // Said below, like every other address that is none of a playback.
  }
  const place = /^\/playback\/presentation\/[^/]+\/([^/]*)/.exec(parsed.pathname);
  const id = place && (parsed.searchParams.get('meetingId') || place[1]).replace(/\/+$/, '');
  if (!/^https?:$/.test(parsed.protocol) || !/^[A-Za-z0-9_-]{1,128}$/.test(id || '')) {
    throw new Problem(
      `Invalid recording URL! ${url} is not https://HOST/playback/presentation/2.3/ID ` +
        'nor https://HOST/playback/presentation/2.0/playback.html?meetingId=ID',
    );
  }
  return id;
}

/** Name of the video in the output folder. */
function nameOf(file, id, convert) {
  const name = !file || file === 'MEETING_ID' ? `${id}.webm` : file;
  if (name !== path.basename(name) || name.startsWith('.')) {
    throw new Problem(`Invalid file name! "${name}" must be the name of a file without a folder`);
  }
  return convert ? `${name.replace(/\.webm$/, '')}.mp4` : name;
}

/**
 * Where the video goes: as .env says; else the folder above the one that Pod keeps this run's log
 * in (standard output is <IMPORT_VIDEO_BBB_RECORDER_PATH>/logs/FILE.log); else Pod's default.
 */
function outputFolder(env) {
  if (env.copyToPath) return env.copyToPath;
  try {
    const log = fs.readlinkSync('/proc/self/fd/1');
    if (/\/logs\/[^/]+\.log$/.test(log)) return path.dirname(path.dirname(log));
  } catch (error) {
    // Not Linux, or standard output is closed.
  }
  return '/data/bbb-recorder/media/';
}

function wanted(argv, env) {
  const [url, file, seconds, convert] = argv;
  if (!url) throw new Problem('URL undefined! Usage: node export.js URL [FILE [SECONDS [true|false]]]');
  const id = recordingOf(url);
  if (seconds && !/^\d{1,9}$/.test(seconds)) {
    throw new Problem(`Duration must be a natural number! "${seconds}" is none; 0 takes the whole recording`);
  }
  if (convert && !['true', 'false'].includes(convert)) {
    throw new Problem(`Invalid convert value! "${convert}" is neither true nor false`);
  }
  return {
    url,
    name: nameOf(file, id, convert === 'true'),
    seconds: Number(seconds || 0),
    folder: outputFolder(env),
    receiver: env.receiver || 'bbb2pod-receiver',
    more: (env.options || '').split(/\s+/).filter(Boolean),
  };
}

/** Runs a program to its end, its words among ours; a signal to us is one to it. */
function run(program, args, advice) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 2, 2] });
    const pass = (signal) => child.kill(signal);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, pass);
    child.on('error', (error) => reject(new Problem(`${program}: ${error.message}; ${advice}`)));
    child.on('exit', (code, signal) => {
      for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.off(name, pass);
      resolve(signal ? `signal ${signal}` : code);
    });
  });
}

async function main() {
  const env = settings();
  const work = wanted(process.argv.slice(2), env);
  fs.mkdirSync(work.folder, { recursive: true });
  const target = path.join(work.folder, work.name);
  // The same hidden names at every try, so that a try that was stopped is gone on with.
  const film = path.join(work.folder, `.${work.name}.bbb2pod.mp4`);
  const range = work.seconds > 0 ? ['--end', String(work.seconds)] : [];
  const ended = await run(
    work.receiver,
    ['convert', work.url, '--output', film, ...range, ...work.more],
    'install bbb2pod-receiver on this machine, or name it in .env: receiver=/path/of/bbb2pod-receiver',
  );
  if (ended === 3) throw new Problem('Recording URL unreachable!', UNREACHABLE);
  if (ended !== 0) throw new Problem(`bbb2pod-receiver did not make ${target} (${ended}); it says above why`);
  if (/\.(webm|mkv)$/i.test(work.name)) {
    // What bbb-recorder writes under such a name is H.264 in Matroska; so is this, without encoding.
    const other = path.join(work.folder, `.${work.name}.bbb2pod.mkv`);
    const args = ['-nostdin', '-v', 'error', '-y', '-i', film, '-map', '0:v', '-map', '0:a?', '-c', 'copy', '-f', 'matroska', other];
    const copied = await run('ffmpeg', args, 'install ffmpeg');
    if (copied !== 0) throw new Problem(`ffmpeg could not write ${other} (${copied}); it says above why`);
    fs.renameSync(other, target);
    fs.unlinkSync(film);
  } else {
    fs.renameSync(film, target);
  }
  console.error(`made ${target}`);
}

main().then(
  () => process.exit(OK),
  (error) => {
    console.error(`export.js: ${error.message}`);
    process.exit(error instanceof Problem ? error.code : FAILED);
  },
);

// Uploads a file with tus-js-client in every way it has; one line of JSON for each: the way, and
// where the upload is.
//
// Usage: node upload.mjs ENDPOINT TOKEN FILE

import { createReadStream, readFileSync, rmSync } from "node:fs";
import { Upload, FileUrlStorage } from "tus-js-client";

const [endpoint, token, file] = process.argv.slice(2);
const bytes = readFileSync(file);
const storage = `${file}.urls`;

function options(more) {
  return {
    endpoint,
    headers: { Authorization: `Bearer ${token}` },
    metadata: { filename: "any.tar" },
    chunkSize: 300_000,
    retryDelays: [0, 100, 500, 1000],
    ...more,
  };
}

// Settles when the upload is complete, or when `midway`, called at the first progress after
// `after` bytes, has settled.
function run(source, more, midway, after = 0) {
  return new Promise((resolve, reject) => {
    let asked = false;
    const upload = new Upload(source, {
      ...options(more),
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: (_size, sent) => {
        if (midway && !asked && sent > after) {
          asked = true;
          midway(upload).then(resolve, reject);
        }
      },
    });
    more.begin ? more.begin(upload).catch(reject) : upload.start();
  });
}

function told(way, url) {
  console.log(JSON.stringify({ way, url: new URL(url, endpoint).pathname }));
}

told("whole", await run(bytes, { chunkSize: Infinity }));
told("chunks", await run(bytes, {}));
told("with creation", await run(bytes, { uploadDataDuringCreation: true }));
told("parallel", await run(bytes, { parallelUploads: 3 }));
told("override", await run(bytes, { overridePatchMethod: true }));

// A stream whose end nobody knows before it comes: the length is told with the last request. This
// client announces a whole chunk for the last one too when there were others before, so it is one.
const stream = { uploadLengthDeferred: true, chunkSize: 3_000_000 };
told("stream", await run(createReadStream(file), stream));

// Paused, then gone on with by the same object.
told(
  "paused",
  await run(
    bytes,
    {},
    async (upload) => {
      await upload.abort();
      return new Promise((resolve, reject) => {
        upload.options.onSuccess = () => resolve(upload.url);
        upload.options.onError = reject;
        upload.start();
      });
    },
    400_000,
  ),
);

// Left, then found again by another one, as after a restart.
const left = { urlStorage: new FileUrlStorage(storage), storeFingerprintForResuming: true };
const fingerprint = async () => "the same file";
await run(bytes, { ...left, fingerprint }, (upload) => upload.abort(), 400_000);
told(
  "resumed",
  await run(bytes, {
    ...left,
    fingerprint,
    begin: async (upload) => {
      const [previous] = await upload.findPreviousUploads();
      if (!previous) throw new Error("the upload that was left is not found");
      upload.resumeFromPreviousUpload(previous);
      upload.start();
    },
  }),
);
rmSync(storage, { force: true });

// Aborted for good: the receiver forgets it.
told(
  "aborted",
  await run(
    bytes,
    {},
    async (upload) => {
      const url = upload.url;
      await upload.abort(true);
      return url;
    },
    400_000,
  ),
);

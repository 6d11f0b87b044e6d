// A page that uploads with Uppy and shows the thumbnails.

import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import { Darkroom } from "./darkroom.js";

/** The page's origin differs from the API's: `DARKROOM_CORS_ORIGINS` must contain the page's origin. */
const darkroom = new Darkroom(document.querySelector("meta[name=darkroom-api]").content);

const uppy = new Uppy({ restrictions: { allowedFileTypes: ["image/jpeg", "image/png"] } });
uppy.use(Dashboard, { target: "#uploads", inline: true, width: "100%", height: 320, note: "JPEG or PNG" });
uppy.use(AwsS3, {
  // The URL accepts the whole file in one request.
  shouldUseMultipart: false,
  generateObjectKey: (file) => file.id,
  signRequest: ({ key }) => getUploadParameters(uppy.getFile(key)),
});

/** Where and how Uppy uploads a file. The headers are signed into the URL, so they must be sent unchanged. */
async function getUploadParameters(file) {
  const upload = await darkroom.createImage(file.type, file.size);
  uppy.setFileMeta(file.id, { imageId: upload.id });
  return { method: upload.uploadMethod, url: upload.uploadUrl, headers: upload.uploadHeaders };
}

uppy.on("upload-success", async (file) => {
  show(file, "waiting", "Making thumbnails");
  try {
    const image = await darkroom.waitUntilFinal(uppy.getFile(file.id).meta.imageId);
    if (image.status === "published") show(file, image.status, "", image.thumbnails);
    else show(file, image.status, [image.status, image.reason, image.detail].filter(Boolean).join(", "));
  } catch (error) {
    show(file, "error", error.message);
  }
});

uppy.on("upload-error", (file, error) => show(file, "error", error.message));

/** Shows a file's state in the list below the uploads. */
function show(file, status, text, thumbnails = {}) {
  const id = `result-${file.id}`;
  const entry = document.getElementById(id) ?? document.getElementById("results").appendChild(element("li", { id }));
  entry.dataset.status = status;
  const pictures = Object.entries(thumbnails).map(([name, { url, width, height }]) => {
    const link = element("a", { href: url });
    link.append(element("img", { src: url, width, height, alt: `${file.name}, ${name} thumbnail` }));
    return link;
  });
  entry.replaceChildren(element("p", { textContent: text ? `${file.name}: ${text}` : file.name }), ...pictures);
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

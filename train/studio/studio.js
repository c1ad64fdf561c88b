import { choose } from "./common.js";
import "./blur.js";
import "./runs.js";
import { restored } from "./restore.js";
import * as jobs from "./jobs.js";
import * as strip from "./strip.js";

const name = location.hash.slice(1);
choose(["restore", "blur", "runs"].includes(name) ? name : "restore");
strip.begin();
jobs.begin(restored);

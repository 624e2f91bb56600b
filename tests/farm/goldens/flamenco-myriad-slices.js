// Myriad: frames in slices of samples, each slice a task, and a merge of each frame after its slices.
const JOB_TYPE = {
    label: "Myriad: slices and merge",
    description: "Renders slices of the samples of each frame, then merges them",
    settings: [
        { key: "studio", type: "string", required: true, default: "studio", description: "The studio's command" },
        { key: "frames", type: "string", required: true, description: "Like 1-24,30" },
        { key: "chunk_size", type: "int32", default: 1, description: "Frames of one task" },
        { key: "samples", type: "int32", required: true, description: "Samples of a pixel" },
        { key: "slice", type: "int32", required: true, description: "Samples of one slice" },
        { key: "render_words", type: "string", required: true, visible: "hidden" },
        { key: "merge_words", type: "string", required: true, visible: "hidden" },
    ],
};

function words(text, values) {
    return text.split("\n").map(word => word.replace(/<(frames|first|frame)>/g, (all, name) => values[name]));
}

function command(settings, text, values) {
    return author.Command("exec", { exe: settings.studio, args: words(text, values) });
}

function framesOf(chunk) {
    const found = [];
    for (const part of chunk.split(",")) {
        const span = part.match(/^(-?\d+)(?:-(-?\d+))?$/);
        for (let n = parseInt(span[1]); n <= parseInt(span[2] || span[1]); n++) found.push(n);
    }
    return found;
}

function compileJob(job) {
    const settings = job.settings;
    for (const chunk of frameChunker(settings.frames, settings.chunk_size)) {
        const slices = [];
        for (let first = 0; first < settings.samples; first += settings.slice) {
            const task = author.Task("render-" + chunk + "-s" + first, "misc");
            task.addCommand(command(settings, settings.render_words, { frames: chunk, first: first }));
            job.addTask(task);
            slices.push(task);
        }
        for (const frame of framesOf(chunk)) {
            const merge = author.Task("merge-" + frame, "misc");
            merge.addCommand(command(settings, settings.merge_words, { frame: frame }));
            slices.forEach(slice => merge.addDependency(slice));
            job.addTask(merge);
        }
    }
}

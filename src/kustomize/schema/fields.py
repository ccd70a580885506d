"""Prints the field specs that kustomize's transformers start from. Argument: folder of the api module."""
import re, sys, pathlib

folder = pathlib.Path(sys.argv[1]) / "internal/konfig/builtinpluginconsts"
print("# Field specs of sigs.k8s.io/kustomize/api v0.21.2. Written by make.sh.")
print("# SECTION TARGET PATH GROUP VERSION KIND CREATE; `-` for nothing. TARGET (group/version/kind) only for nameReference.")
metadata = claims = None
for file in ["metadatalabels", "volumeclaimmetadatalabels", "nameprefix", "namesuffix", "namespace", "commonlabels", "templatelabels",
             "commonannotations", "namereference", "varreference", "images", "replicas"]:
    texts = re.findall(r"`(.*?)`", (folder / f"{file}.go").read_text(), re.S)
    text = "".join(texts)
    if file == "metadatalabels":
        metadata = text
        continue
    if file == "volumeclaimmetadatalabels":
        claims = texts[-1]
    if file in ("commonlabels", "templatelabels"):
        text += metadata
    if file == "commonlabels":
        text += claims
    section, target, spec, specs = None, None, None, []
    for line in text.splitlines():
        if not line.strip():
            continue
        if not line[0].isspace() and not line.startswith("-"):
            section = line.rstrip(":")
        elif section == "nameReference" and line.startswith("- "):
            target = {}
            key, value = line[2:].split(": ")
            target[key] = value
        elif section == "nameReference" and not line.startswith("  -") and not line.startswith("    "):
            if line.strip() != "fieldSpecs:":
                key, value = line.strip().split(": ")
                target[key] = value
        else:
            if line.strip().startswith("- "):
                spec = {"target": target}
                specs.append(spec)
            key, value = line.strip().removeprefix("- ").split(": ")
            spec[key] = value.strip().strip('"')
    for spec in specs:
        target = spec["target"]
        name = "-" if target is None else "|".join([target.get("group", "-"), target.get("version", "-"), target["kind"]])
        create = "create" if spec.get("create") == "true" else "-"
        print(section, name, spec["path"], spec.get("group", "-"), spec.get("version", "-"), spec.get("kind", "-"), create)

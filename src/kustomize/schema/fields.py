"""Prints the field specs that kustomize's transformers start from. Argument: folder of the api module."""
import re, sys, pathlib

folder = pathlib.Path(sys.argv[1]) / "internal/konfig/builtinpluginconsts"
print("# Field specs of sigs.k8s.io/kustomize/api v0.21.1. Written by make.sh.")
print("# SECTION TARGET PATH GROUP VERSION KIND CREATE; `-` for nothing. TARGET (group/version/kind) only for nameReference.")
metadata = None
for file in ["metadatalabels", "nameprefix", "namesuffix", "namespace", "commonlabels", "templatelabels",
             "commonannotations", "namereference", "varreference", "images", "replicas"]:
    text = re.search(r"`(.*?)`", (folder / f"{file}.go").read_text(), re.S).group(1)
    if file == "metadatalabels":
        metadata = text
        continue
    if file in ("commonlabels", "templatelabels"):
        text += metadata
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
    # Since v5.8.2, claims have a section of their own, and are no longer in that of templates.
    claims = [spec for spec in specs if section == "templateLabels" and "volumeClaimTemplates" in spec["path"]]
    for spec in claims:
        specs.remove(spec)
        print("volumeClaimTemplateLabels - ", spec["path"], " ", spec["group"], " - ", spec["kind"], " create", sep="")
    for spec in specs:
        target = spec["target"]
        name = "-" if target is None else "|".join([target.get("group", "-"), target.get("version", "-"), target["kind"]])
        create = "create" if spec.get("create") == "true" else "-"
        print(section, name, spec["path"], spec.get("group", "-"), spec.get("version", "-"), spec.get("kind", "-"), create)

#!/usr/bin/env python3
"""Reads every #include in src/ and include/ against src/rooms.txt. Exit 1 and one line per wrong include."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
rooms, public = {}, {}
for line in (root / "src/rooms.txt").read_text().splitlines():
    parts = [part.strip() for part in line.split("|")]
    if line.startswith("#") or len(parts) != 5 or not parts[0].isdigit():
        continue
    name = parts[1]
    rooms[name] = {"floor": int(parts[0]), "may": set(parts[2].split()) - {"-"} | {"base", name}, "library": parts[3]}
    for header in parts[4].split():
        if header != "-":
            public[header] = name

faults = []
for name, room in rooms.items():
    for other in room["may"] - {name, name.split("/")[0]}:
        if rooms.get(other, {"floor": 99})["floor"] >= room["floor"]:
            faults.append(f"src/rooms.txt: {name} may include {other}, which is not on a lower floor")


def owner_of_public(path):
    parts = path.split("/")
    return public.get(parts[0] + "/") if len(parts) > 1 else public.get(path)


# A file with a row of its own is still one of its room's files, unless it is part of another library.
for name in rooms:
    whole = name.split("/")[0]
    if rooms[whole]["library"] == rooms[name]["library"]:
        rooms[whole]["may"].add(name)


def owner_of_source(parts):
    file = "/".join(parts)[: -len(pathlib.PurePath(parts[-1]).suffix)]
    return file if file in rooms else parts[0]


checked = 0
for path in sorted([*(root / "src").rglob("*"), *(root / "include").rglob("*")]):
    if path.suffix not in (".hpp", ".cpp", ".h", ".S"):
        continue
    relative = path.relative_to(root)
    if relative.parts[0] == "src":
        room = owner_of_source(relative.parts[1:])
    else:
        room = owner_of_public("/".join(relative.parts[2:]))
    if room not in rooms:
        faults.append(f"{relative}: belongs to no room of src/rooms.txt")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if not match:
            continue
        target = match.group(1)
        checked += 1
        if target.startswith("ramie/"):
            other = owner_of_public(target[len("ramie/"):])
        elif target.split("/")[0] in rooms and "/" in target:
            if relative.parts[0] == "include":
                faults.append(f"{relative}:{number}: a public header includes src/{target}")
                continue
            other = owner_of_source(target.split("/"))
        else:
            continue
        if other not in rooms[room]["may"]:
            faults.append(f"{relative}:{number}: room {room} may not include {target} (room {other})")

print("\n".join(faults) if faults else f"include test: {checked} includes in {len(rooms)} rooms, all allowed")
sys.exit(1 if faults else 0)

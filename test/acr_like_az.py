"""Runs the commands of "az acr" by the real az and by orlop, and compares what
they print and how they end. Called by acr_like_az.sh, which sets up both."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys

import yaml
from azure.cli.core import get_default_cli

HOST = "myregistry.azurecr.localtest"


def run_az(arguments, stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = get_default_cli().invoke(arguments, out_file=out)
        except SystemExit as e:  # of the parser, and of show commands that find nothing
            code = e.code
    return code, out.getvalue(), err.getvalue()


def run_orlop(arguments, stdin):
    p = subprocess.run(["orlop", *arguments], input=stdin, capture_output=True, text=True)
    return p.returncode, p.stdout, p.stderr


def same_names(text):
    """Replaces what differs between the twins: names and times."""
    text = re.sub(r"twins/(az|us)", "twins/X", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "TIME", text)
    return text


class Comparison:
    def __init__(self):
        self.compared = 0
        self.differences = []

    def __call__(self, command, code=0, read=lambda s: s):
        """Runs one command line by both. The text {repo} in it is az's own
        repository or orlop's."""
        results, ended = [], True
        for repo, run in (("twins/az", run_az), ("twins/us", run_orlop)):
            arguments = [a.replace("{repo}", repo) for a in command.split("|")]
            got, out, err = run(["acr", *arguments], "")
            if got != code:
                ended = False
                self.differences.append(f"{repo}: {command}: exit code {got}, want {code}\n{out}{err}")
            results.append(same_names(out))
        if ended and read(results[0]) != read(results[1]):
            self.differences.append(f"{command}:\n--- az\n{results[0]}\n--- orlop\n{results[1]}")
        self.compared += 1
        print(f"   {command.replace('|', ' ')}", flush=True)

    def formats(self, command):
        """Compares a command in every format of output."""
        self(command)
        self(command + "|-o|jsonc")
        self(command + "|-o|table")
        self(command + "|-o|tsv")
        self(command + "|-o|yaml", read=yaml.safe_load)
        self(command + "|-o|none")


def main():
    both = Comparison()
    name, reg = "-n|myregistry", "-r|myregistry"
    artifact = json.loads(run_orlop(["acr", "repository", "show", "-n", "myregistry", "-t", "twins/az:1.0"], "")[1])["digest"]

    both.formats(f"repository|list|{name}")
    both(f"repository|list|{name}|--top|1|-o|tsv")
    both.formats(f"repository|show|{name}|--repository|{{repo}}")
    both.formats(f"repository|show|{name}|--image|twins/az:1.0")
    both(f"repository|show|{name}|-t|twins/az@{artifact}")
    both.formats(f"repository|show-tags|{name}|--repository|twins/az")
    both.formats(f"repository|show-tags|{name}|--repository|twins/az|--detail")
    both(f"repository|show-tags|{name}|--repository|twins/az|--orderby|time_desc|--top|2")
    both(f"repository|show-tags|{name}|--repository|twins/az|--orderby|time_asc|-o|tsv")
    both.formats(f"repository|show-manifests|{name}|--repository|twins/az")
    both(f"repository|show-manifests|{name}|--repository|twins/az|--detail|--orderby|time_desc")

    both.formats(f"manifest|show|{reg}|-n|twins/az:1.0")
    both(f"manifest|show|{HOST}/twins/az:1.0|--raw")
    both(f"manifest|show|{HOST}/twins/az@{artifact}")
    both.formats(f"manifest|list|{reg}|-n|twins/az")
    both(f"manifest|list|{HOST}/twins/az|--top|1|--orderby|time_desc")
    both.formats(f"manifest|list-metadata|{reg}|-n|twins/az")
    both(f"manifest|list-metadata|{HOST}/twins/az|--top|2|--orderby|time_asc")
    both.formats(f"manifest|show-metadata|{HOST}/twins/az:1.0")
    both(f"manifest|metadata|show|{reg}|-n|twins/az:1.0")
    both(f"manifest|metadata|list|{reg}|-n|twins/az")
    both.formats(f"manifest|list-referrers|{reg}|-n|twins/az:1.0")
    both(f"manifest|list-referrers|{HOST}/twins/az@{artifact}|--artifact-type|application/x-none")
    both(f"manifest|list-referrers|{HOST}/twins/az:1.0|--recursive|-o|table")

    # Queries, whose keys keep the order in which they were typed.
    tags = f"repository|show-tags|{name}|--repository|twins/az|--detail"
    for query in ("[].{Tag:name,Digest:digest}", "[0]", "[?name=='1.0'].digest", "length(@)", "[].signed", "[0].signed",
                  "[].[name,digest]", "[0].nothing", "[].changeableAttributes", "sort_by(@,&name)[-1].name",
                  "[].{b:name,a:{z:digest,y:signed}}", "[?nothing==null].name"):
        for o in ("json", "table", "tsv"):
            both(f"{tags}|--query|{query}|-o|{o}")
    both(f"manifest|list-metadata|{reg}|-n|twins/az|--query|[?tags==null].digest")

    # Locks, one in each twin.
    lock = "--write-enabled|false|--delete-enabled|false"
    both.formats(f"repository|update|{name}|--image|{{repo}}:1.0|{lock}")
    both(f"repository|untag|{name}|--image|{{repo}}:1.0", code=1)
    both(f"manifest|update-metadata|{HOST}/{{repo}}:1.0|--write-enabled|--delete-enabled|true")
    both(f"manifest|metadata|update|{reg}|-n|{{repo}}:2.0|--list-enabled|false")
    both(f"repository|show-tags|{name}|--repository|{{repo}}")
    both(f"manifest|update-metadata|{reg}|-n|{{repo}}:2.0|--list-enabled|--read-enabled|true")
    both(f"repository|update|{name}|--repository|{{repo}}|--delete-enabled|false")
    both(f"repository|delete|{name}|--repository|{{repo}}|--yes", code=1)
    both(f"repository|update|{name}|--repository|{{repo}}|--delete-enabled|true|-o|tsv")
    both(f"repository|update|{name}|--repository|{{repo}}")

    # What is not there, and what is wrong.
    for command, code in ((f"repository|show|{name}|--repository|no/such", 3), (f"repository|show|{name}|--image|twins/az:no", 3),
                          (f"repository|show-tags|{name}|--repository|no/such", 1), (f"manifest|show|{reg}|-n|no/such:1", 3),
                          (f"manifest|show-metadata|{reg}|-n|no/such:1", 3), (f"manifest|list|{reg}|-n|no/such", 1),
                          (f"manifest|list-referrers|{reg}|-n|no/such:1", 1), (f"repository|untag|{name}|-t|twins/az:no", 1),
                          (f"repository|delete|{name}|--repository|no/such|-y", 1), (f"manifest|delete|{reg}|-n|no/such:1|-y", 1),
                          (f"repository|update|{name}|-t|twins/az:no|--write-enabled|false", 1),
                          (f"repository|list|{name}|-o|xml", 2), (f"repository|list|{name}|--query|[[", 2),
                          (f"repository|list|{name}|-u|admin|-p|wrong", 1), ("repository|no-such", 2), (f"repository|list|{name}|--nonsense", 2),
                          (f"repository|show-tags|{name}|--repository|twins/az|--orderby|size", 2)):
        both(command, code=code)

    # Removing, and restoring.
    both(f"repository|untag|{name}|--image|{{repo}}:stable")
    both(f"repository|delete|{name}|--image|{{repo}}:2.0|--yes")
    both(f"manifest|delete|{HOST}/{{repo}}:1.0|-y")
    both(f"repository|show-tags|{name}|--repository|{{repo}}")
    both(f"repository|list-deleted|{name}", read=lambda s: sorted(set(json.loads(s))))
    both(f"manifest|list-deleted-tags|{reg}|-n|{{repo}}:1.0", read=without_expiry)
    both(f"manifest|list-deleted|{HOST}/{{repo}}", read=without_expiry)
    both(f"manifest|restore|{reg}|-n|{{repo}}:1.0|-d|{artifact}")
    both(f"manifest|restore|{HOST}/{{repo}}:2.0|--force|--yes")
    both(f"manifest|restore|{HOST}/{{repo}}:none", code=1)
    both(f"repository|show-tags|{name}|--repository|{{repo}}")
    both(f"repository|delete|{name}|--repository|{{repo}}|--yes", read=sorted_lists)

    both(f"login|{name}|--expose-token", read=lambda s: sorted(json.loads(s)))
    for difference in both.differences:
        print("*** " + difference, file=sys.stderr)
    print(f"{both.compared} commands, {len(both.differences)} differences")
    sys.exit(1 if both.differences else 0)


def without_expiry(text):
    """az computes this from the policy that Azure Resource Manager tells it."""
    return [{k: v for k, v in item.items() if k != "expiresAfter"} for item in json.loads(text)]


def sorted_lists(text):
    return {k: sorted(v or []) for k, v in json.loads(text).items()}


os.environ.setdefault("AZURE_CORE_ONLY_SHOW_ERRORS", "true")
main()

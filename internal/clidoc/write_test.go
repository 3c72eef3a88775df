package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

const docs = "../../docs/cli"

// TestPagesAreCurrent: docs/cli is what the commands say.
func TestPagesAreCurrent(t *testing.T) {
	dir := t.TempDir()
	if err := write("markdown", dir); err != nil {
		t.Fatal(err)
	}
	want, got := read(t, dir), read(t, docs)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/cli is not what the commands say (-commands +docs); run make docs\n%s", diff)
	}
}

// read reads the generated pages of a directory.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "orlop*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(name)] = string(raw)
	}
	return pages
}

// TestEveryCommandIsExplained: a command that does something has a long text
// or a short one, and examples that call it.
func TestEveryCommandIsExplained(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.HasSubCommands() || cmd.Hidden || underCompletion(cmd) {
			return
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short description %q", cmd.CommandPath(), cmd.Short)
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s has no example that calls it", cmd.CommandPath())
		}
	}
	walk(newRoot())
}

// underCompletion: those commands are made by a library.
func underCompletion(cmd *cobra.Command) bool {
	return cmd.HasParent() && cmd.Parent().Name() == "completion"
}

// TestManPages: every command has a page, and it is one that man can read.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if err := write("man", dir); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "orlop-push.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH", ".SH NAME", "--artifact-type", "EXAMPLE"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("orlop-push.1 has no %q", want)
		}
	}
}

// TestCompletionScripts: the script for bash is one that bash can read.
func TestCompletionScripts(t *testing.T) {
	dir := t.TempDir()
	if err := write("completion", dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"orlop.bash", "_orlop", "orlop.fish", "orlop.ps1"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := exec.Command("bash", "-n", filepath.Join(dir, "orlop.bash")).CombinedOutput(); err != nil {
		t.Errorf("bash: %v: %s", err, out)
	}
}

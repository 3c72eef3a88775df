package cli

import (
	"fmt"

	"github.com/orlop/orlop/internal/cli/output"
)

func (e textEntry) label() string { return e.Name + ": " }
func (e textEntry) text() string  { return e.Value }

// label is what a blob is called, before what is said of it.
func (e blobEntry) label() string {
	switch {
	case e.Name == "":
		return ""
	case e.Platform != "":
		return fmt.Sprintf("%s (%s): ", e.Name, e.Platform)
	}
	return e.Name + ": "
}

func (e blobEntry) text() string {
	if e.Digest == "" {
		return "none"
	}
	return fmt.Sprintf("%s %s %s", e.short(), output.Size(e.Size), e.MediaType)
}

// String is "2 blobs, 21 B".
func (a amount) String() string {
	noun := "blobs"
	if a.Blobs == 1 {
		noun = "blob"
	}
	return fmt.Sprintf("%d %s, %s", a.Blobs, noun, output.Size(a.Bytes))
}

// print writes the difference for people.
func (d *difference) print(out *output.Printer) {
	out.Line("--- %s", d.From.Reference)
	out.Line("+++ %s", d.To.Reference)
	if d.ArtifactType != nil {
		out.Line("Artifact type: %s -> %s", d.ArtifactType.From, d.ArtifactType.To)
	}
	if d.Config != nil {
		out.Line("Configuration: %s -> %s", d.Config.From.text(), d.Config.To.text())
	}
	printChanges(out, "Annotations", d.Annotations, textEntry.label, textEntry.text)
	printChanges(out, "Files", d.Files, blobEntry.label, blobEntry.text)
	printChanges(out, "Layers without a name", d.Layers, blobEntry.label, blobEntry.text)
	out.Line("Shared: %s", d.Shared)
	out.Line("New: %s", d.New)
	out.Line("Gone: %s", d.Gone)
}

func printChanges[T any](out *output.Printer, title string, c changes[T], label, text func(T) string) {
	if len(c.Added)+len(c.Removed)+len(c.Changed) > 0 {
		out.Line("%s:", title)
	}
	for _, e := range c.Removed {
		out.Line("  - %s%s", label(e), text(e))
	}
	for _, e := range c.Added {
		out.Line("  + %s%s", label(e), text(e))
	}
	for _, e := range c.Changed {
		out.Line("  ~ %s%s -> %s", label(e.From), text(e.From), text(e.To))
	}
}

package cli

import (
	"context"
	"fmt"
	"path"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
)

type lsOptions struct {
	commonOptions
	formatOptions
	targetOptions
	platformOptions
	recursive bool

	target string
}

func newLsCommand(env *Env) *cobra.Command {
	var opts lsOptions
	cmd := &cobra.Command{
		Use:   "ls [flags] <name>{:<tag>|@<digest>}",
		Short: "List the files in an artifact",
		Long: `List the files in an artifact: digest, size, media type and name.

Layers without a name are listed too. pull writes one of them if it is the only
one and --as names it. Nothing but manifests is read, unless --recursive is
given.`,
		Example: examples(env, `
List the files of the artifact v1:
  orlop ls localhost:5000/hello:v1

List also what is in packed directories:
  orlop ls --recursive localhost:5000/hello:v1

List the files of one platform:
  orlop ls --platform linux/arm64 localhost:5000/hello:v1

Print the names alone:
  orlop ls localhost:5000/hello:v1 --format go-template='{{range .files}}{{println .name}}{{end}}'

List the files of an artifact in the OCI image layout directory layout-dir:
  orlop ls --oci-layout layout-dir:v1`),
		Args: exactArgs(1, "the artifact reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			return runLs(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.formatOptions, &opts.targetOptions, &opts.platformOptions)
	cmd.Flags().BoolVarP(&opts.recursive, "recursive", "r", false, "list what is in packed directories, which are read for that")
	return cmd
}

// listing is the result of ls as JSON.
type listing struct {
	Reference string `json:"reference"`
	descriptor
	Files []listedFile `json:"files"`
}

type listedFile struct {
	Name      string `json:"name,omitempty"` // none for a layer without one
	Reference string `json:"reference"`
	descriptor
	Manifest string        `json:"manifest,omitempty"` // in an index: the digest of the manifest
	Platform string        `json:"platform,omitempty"` // in an index: of the manifest, if it has one
	Entries  []listedEntry `json:"entries,omitempty"`  // of a packed directory
}

// listedEntry is an entry of a packed directory.
type listedEntry struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	Mode    string    `json:"mode"` // such as -rw-r--r--
	ModTime time.Time `json:"modTime"`
	Link    string    `json:"link,omitempty"`
}

func runLs(ctx context.Context, env *Env, opts *lsOptions) error {
	t, err := opts.openManifest(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	list, err := opts.list(ctx, t)
	if err != nil {
		return t.about(err)
	}
	if f := opts.formatOptions.parsed; !f.IsText() {
		return f.Write(env.Stdout, list)
	}
	out := output.NewPrinter(env.Stdout)
	out.Columns(list.rows())
	return out.Err()
}

func (o *lsOptions) list(ctx context.Context, t *target) (listing, error) {
	c, err := inspect(ctx, t, &o.platformOptions)
	if err != nil {
		return listing{}, err
	}
	root := c.artifact()
	list := listing{Reference: t.digested(root.Digest), descriptor: describe(root), Files: []listedFile{}}
	for _, part := range c.parts {
		if !part.isFile() {
			continue
		}
		f := listedFile{Name: titleOf(part.desc), Reference: t.digested(part.desc.Digest), descriptor: describe(part.desc)}
		if part.manifest != root.Digest {
			f.Manifest = string(part.manifest)
		}
		if part.platform != nil {
			f.Platform = platformText(part.platform)
		}
		if o.recursive && isPacked(part.desc) {
			if f.Entries, err = entries(ctx, t, part.desc); err != nil {
				return listing{}, err
			}
		}
		list.Files = append(list.Files, f)
	}
	return list, nil
}

// inspect reads the manifest that t names and those that it leads to.
func inspect(ctx context.Context, t *target, p *platformOptions) (*collector, error) {
	root, err := t.manifest(ctx, p)
	if err != nil {
		return nil, err
	}
	c := newCollector(t, output.NewProgress(output.ProgressOptions{}))
	return c, c.collect(ctx, root)
}

// isFile tells whether a part is content: not a configuration that no name
// makes a file, nor the empty JSON that stands for nothing.
func (p *part) isFile() bool {
	return titleOf(p.desc) != "" || !p.config && p.desc.MediaType != ocispec.MediaTypeEmptyJSON
}

func isPacked(d orlop.Descriptor) bool { return d.Annotations[files.AnnotationUnpack] == "true" }

// maxListed is how many entries of one directory are listed.
const maxListed = 200_000

// entries lists a packed directory.
func entries(ctx context.Context, t *target, d orlop.Descriptor) ([]listedEntry, error) {
	r, err := t.OpenBlob(ctx, t.repo, d.Digest, 0, -1)
	if err != nil {
		return nil, t.aboutRef(t.digested(d.Digest), err)
	}
	defer r.Close()
	var list []listedEntry
	for e, err := range files.ListArchive(ctx, r, d, files.Limits{Entries: maxListed}) {
		if err != nil {
			return nil, fmt.Errorf("list %q: %w", titleOf(d), err)
		}
		list = append(list, listedEntry{Name: e.Name, Size: e.Size, Mode: e.Mode.String(), ModTime: e.ModTime.UTC(), Link: e.Link})
	}
	return list, nil
}

// rows is the listing as a table. In that of an index there is a column more.
func (l *listing) rows() [][]string {
	index := orlop.IsIndex(l.MediaType)
	row := func(digest, size, kind, in, name string) []string {
		if index {
			return []string{digest, size, kind, in, name}
		}
		return []string{digest, size, kind, name}
	}
	rows := [][]string{row("DIGEST", "SIZE", "TYPE", "IN", "NAME")}
	for _, f := range l.Files {
		d := f.descriptor.short()
		rows = append(rows, row(d, output.Size(f.Size), f.MediaType, f.in(), f.text()))
		for _, e := range f.Entries {
			rows = append(rows, row("", output.Size(e.Size), e.Mode, f.in(), e.text()))
		}
	}
	return rows
}

// in says which manifest of an index a file belongs to.
func (f *listedFile) in() string {
	if f.Platform != "" || f.Manifest == "" {
		return f.Platform
	}
	return descriptor{Digest: f.Manifest}.short()
}

// text is the name of a file for people; that of a packed directory ends in a
// slash.
func (f *listedFile) text() string {
	switch {
	case f.Name == "":
		return "(no name)"
	case f.Annotations[files.AnnotationUnpack] == "true":
		return path.Clean(f.Name) + "/"
	}
	return f.Name
}

func (e *listedEntry) text() string {
	switch {
	case e.Link != "" && e.Mode[0] == 'L': // fs.FileMode.String marks a symbolic link so
		return e.Name + " -> " + e.Link
	case e.Link != "":
		return e.Name + " = " + e.Link
	}
	return e.Name
}

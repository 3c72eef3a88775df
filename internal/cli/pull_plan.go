package cli

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
)

// file is a blob and the name to write it as.
type file struct {
	desc orlop.Descriptor
	name string
}

// group is the files of one digest, which is fetched once.
type group []file

// planner decides what of an artifact becomes which file.
type planner struct {
	selection *selectOptions
	config    *files.Arg // what to write the configuration as, nil if not
	progress  *output.Progress

	root      orlop.Descriptor
	manifests []orlop.Descriptor // of root and of all that it leads to

	files   []file
	skipped []part // without a name; not the empty ones that stand for nothing
	names   map[string]digest.Digest
}

func newPlanner(s *selectOptions, config *files.Arg, p *output.Progress) *planner {
	return &planner{selection: s, config: config, progress: p, names: map[string]digest.Digest{}}
}

// plan chooses among the parts of an artifact and names them. It fails before
// anything is written if not all can be.
func (p *planner) plan(parts []part) error {
	for _, part := range parts {
		if orlop.IsForeign(part.desc.MediaType) || !part.config && !p.selection.wantsType(part.desc.MediaType) {
			continue
		}
		if err := p.add(part); err != nil {
			return err
		}
	}
	if err := p.checkNames(parts); err != nil {
		return err
	}
	if p.selection.name != "" {
		if err := p.nameOnly(); err != nil {
			return err
		}
	}
	for _, part := range p.skipped {
		p.progress.Event("Skipped", part.desc)
	}
	return nil
}

// add plans to write a blob under its title. Without a title it is skipped,
// silently if it stands for nothing.
func (p *planner) add(part part) error {
	if part.config && p.wantsConfig(part.desc) {
		part.desc.Annotations = map[string]string{ocispec.AnnotationTitle: p.config.Path}
		return p.addFile(part, p.config.Path)
	}
	title := titleOf(part.desc)
	switch {
	case title == "" && part.desc.MediaType == ocispec.MediaTypeEmptyJSON:
		return nil
	case title == "":
		p.skipped = append(p.skipped, part)
		return nil
	case !p.selection.wants(title):
		return nil
	}
	name := title
	if other, ok := p.selection.names[title]; ok {
		name = other
	}
	return p.addFile(part, name)
}

// wantsConfig tells whether --config asks for a configuration.
func (p *planner) wantsConfig(d orlop.Descriptor) bool {
	return p.config != nil && (p.config.MediaType == "" || p.config.MediaType == d.MediaType)
}

func (p *planner) addFile(part part, name string) error {
	name, err := within(part.dir, name, part.desc)
	if err != nil {
		return err
	}
	if other, ok := p.names[path.Clean(name)]; ok {
		if other != part.desc.Digest {
			return sameName(name)
		}
		return nil
	}
	p.names[path.Clean(name)] = part.desc.Digest
	p.files = append(p.files, file{part.desc, name})
	return nil
}

// checkNames fails for a title that --as names and the artifact does not have,
// and for patterns that match nothing.
func (p *planner) checkNames(parts []part) error {
	var err error
	for _, title := range slices.Sorted(maps.Keys(p.selection.names)) {
		if !slices.ContainsFunc(parts, func(part part) bool { return titleOf(part.desc) == title }) {
			err = fmt.Errorf("--as: the artifact has no file %q", title)
		}
	}
	if err == nil && len(p.files) == 0 && len(p.selection.include) > 0 {
		err = fmt.Errorf("no file matches %s", strings.Join(p.selection.include, " "))
	}
	return withHint(err, "list the files by the command ls")
}

// nameOnly gives the only file the name that --as asks for.
func (p *planner) nameOnly() error {
	f, err := p.only()
	if err != nil {
		return withHint(err, "write --as TITLE=NAME, or choose one by --include")
	}
	f.name = p.selection.name
	p.files, p.skipped = []file{f}, nil
	return nil
}

var errNotOne = errors.New("not one file")

// only returns the only file; if none has a name, the only layer without one.
func (p *planner) only() (file, error) {
	layers := slices.DeleteFunc(slices.Clone(p.skipped), func(part part) bool { return part.config })
	switch {
	case len(p.files) == 1:
		return p.files[0], nil
	case len(p.files) == 0 && len(layers) == 1:
		return file{desc: layers[0].desc}, nil
	case len(p.files) == 0:
		return file{}, fmt.Errorf("%w: the artifact has none with a name, and %d without", errNotOne, len(layers))
	}
	return file{}, fmt.Errorf("%w: the artifact has %d", errNotOne, len(p.files))
}

// incomplete tells whether content was left out for want of a name. The empty
// configuration of the releases of 2020 is none.
func (p *planner) incomplete() bool {
	return slices.ContainsFunc(p.skipped, func(part part) bool { return !part.config || part.desc.Size > 0 })
}

// groups returns the files by digest, in order.
func (p *planner) groups() []group {
	var groups []group
	at := map[digest.Digest]int{}
	for _, f := range p.files {
		i, ok := at[f.desc.Digest]
		if !ok {
			i, at[f.desc.Digest] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// errSameName reports an index whose manifests have different files of one
// name.
var errSameName = errors.New("several files have the same name")

func sameName(name string) error { return fmt.Errorf("%w: %s", errSameName, name) }

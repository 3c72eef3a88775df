package cli

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
)

// selectOptions choose files of an artifact, and the names to give them.
type selectOptions struct {
	include, exclude []string // patterns of titles
	as               []string
	artifactType     string
	mediaTypes       []string // of layers; all if empty
	allowAll         bool

	name  string            // of the only file, from --as NAME; "" if not given
	names map[string]string // by title, from --as TITLE=NAME
}

func (o *selectOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.include, "include", nil,
		"only files whose name matches the `PATTERN`, such as *.txt or docs/**; may be repeated")
	fs.StringArrayVar(&o.exclude, "exclude", nil, "no files whose name matches the `PATTERN`; may be repeated")
	fs.StringArrayVar(&o.as, "as", nil, "name to write the only file as, or `[TITLE=]NAME` for one of several; may be repeated")
	fs.StringVar(&o.artifactType, "artifact-type", "", "only an artifact of this type; of an index only those of this type")
	// The flags of 2020.
	fs.StringArrayVarP(&o.mediaTypes, "media-type", "t", nil, "pull only layers of this type")
	fs.BoolVarP(&o.allowAll, "allow-all", "a", false, "pull layers of every type")
	fs.MarkHidden("media-type")
	fs.MarkHidden("allow-all")
}

func (o *selectOptions) validate() error {
	for _, pattern := range slices.Concat(o.include, o.exclude) {
		if err := checkPattern(pattern); err != nil {
			return err
		}
	}
	return o.parseNames()
}

// parseNames parses the values of --as.
func (o *selectOptions) parseNames() error {
	o.name, o.names = "", map[string]string{}
	for _, value := range o.as {
		i := strings.LastIndexByte(value, '=')
		title, name := value[:max(i, 0)], value[i+1:]
		switch {
		case name == "" || i == 0:
			return fmt.Errorf("invalid --as %q: want NAME or TITLE=NAME", value)
		case !filepath.IsLocal(name):
			return fmt.Errorf("invalid --as %q: the name must lie in the output directory, which --output chooses", value)
		case i < 0 && len(o.as) > 1:
			return errors.New("--as NAME names one file only; for several write --as TITLE=NAME")
		case i < 0:
			o.name = name
		case o.names[title] != "":
			return fmt.Errorf("--as gives %s two names", title)
		default:
			o.names[title] = name
		}
	}
	return nil
}

// wantsType tells whether the flags of 2020 let the media type of a layer
// through.
func (o *selectOptions) wantsType(mediaType string) bool {
	return o.allowAll || len(o.mediaTypes) == 0 || slices.Contains(o.mediaTypes, mediaType)
}

// wants tells whether a file of this title is to be pulled.
func (o *selectOptions) wants(title string) bool {
	matches := func(pattern string) bool { return matchTitle(pattern, title) }
	return (len(o.include) == 0 || slices.ContainsFunc(o.include, matches)) && !slices.ContainsFunc(o.exclude, matches)
}

// anyElement in a pattern stands for any number of elements of a title.
const anyElement = "**"

func checkPattern(pattern string) error {
	for element := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(element, ""); err != nil {
			return fmt.Errorf("invalid pattern %q: *, ? and [a-z] stand for characters, ** for folders", pattern)
		}
	}
	return nil
}

// matchTitle tells whether a title matches a pattern that checkPattern has let
// through: element by element as path.Match does, with ** for any number of
// elements. The time it takes grows with the product of their lengths only.
func matchTitle(pattern, title string) bool {
	elements := strings.Split(path.Clean(title), "/")
	match := make([]bool, len(elements)+1) // match[i]: the pattern so far matches elements[:i]
	match[0] = true
	for p := range strings.SplitSeq(pattern, "/") {
		next := make([]bool, len(match))
		for i := range next {
			switch {
			case p == anyElement:
				next[i] = match[i] || i > 0 && next[i-1]
			case i > 0 && match[i-1]:
				next[i], _ = path.Match(p, elements[i-1])
			}
		}
		match = next
	}
	return match[len(elements)]
}

// titleOf returns the name that a descriptor carries, "" if none.
func titleOf(d orlop.Descriptor) string { return d.Annotations[ocispec.AnnotationTitle] }

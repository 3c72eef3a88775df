package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
)

// packOptions describe an artifact to be made of files.
type packOptions struct {
	annotationOptions
	layers                layerOptions
	files                 []string // arguments
	artifactType          string
	config                string
	manifestConfig        string // as config, of another type if it gives none
	annotationFile        string
	disablePathValidation bool
	exportManifest        string

	artifactPlatform string // set by imageOptions
	imageSpec        string // set by imageOptions

	subject *orlop.Descriptor // what the artifact refers to; nil: nothing
}

// unknownArtifact is the type of an artifact that has none, as ORAS names it.
const unknownArtifact = "application/vnd.unknown.artifact.v1"

func (o *packOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.artifactType, "artifact-type", "", "type of the artifact, a media type")
	fs.StringVar(&o.config, "config", "", "configuration: `path[:type]`; /dev/null (NUL on Windows) is the empty one")
	o.annotationOptions.addFlags(fs)
	o.layers.addFlags(fs)
	fs.StringVar(&o.annotationFile, "annotation-file", "", "JSON `FILE` with the annotations of manifest, configuration and files")
	fs.BoolVar(&o.disablePathValidation, "disable-path-validation", false, "accept absolute paths")
	fs.StringVar(&o.exportManifest, "export-manifest", "", "also write the manifest to this `path`")
	// The flags of 2020.
	fs.StringVar(&o.manifestConfig, "manifest-config", "", "as --config, of the type "+ocispec.MediaTypeImageConfig+" if none is given")
	fs.StringVar(&o.annotationFile, "manifest-annotations", "", "as --annotation-file")
	fs.MarkHidden("manifest-config")
	fs.MarkHidden("manifest-annotations")
}

func (o *packOptions) validate() error {
	if err := o.mergeConfig(); err != nil {
		return err
	}
	if o.artifactType != "" && orlop.ValidateMediaType(o.artifactType) != nil {
		return fmt.Errorf("invalid --artifact-type %q: want a media type, such as application/vnd.example.report", o.artifactType)
	}
	if o.annotationFile != "" && len(o.annotations) > 0 {
		return errors.New("--annotation and --annotation-file cannot be used together")
	}
	if err := o.layers.validate(); err != nil {
		return err
	}
	return o.annotationOptions.validate()
}

// mergeConfig makes --config of --manifest-config, whose type was another.
func (o *packOptions) mergeConfig() error {
	if o.manifestConfig == "" {
		return nil
	}
	arg, err := files.ParseArg(o.manifestConfig, runtime.GOOS == "windows")
	if err != nil {
		return fmt.Errorf("--manifest-config: %w", err)
	}
	o.config = arg.Path + ":" + cmp.Or(arg.MediaType, ocispec.MediaTypeImageConfig)
	return nil
}

func (o *packOptions) values() (flag string, values []string) { return o.layers.values() }

// imageOptions say what kind of image manifest an artifact gets that refers to
// no other.
type imageOptions struct {
	pack *packOptions // set before addFlags
}

func (o *imageOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.pack.artifactPlatform, "artifact-platform", "", "platform of the artifact: `os[/arch][/variant][:os_version]`")
	fs.StringVar(&o.pack.imageSpec, "image-spec", "", "version of the manifest: v1.1 or v1.0 (default v1.1, or v1.0 for --config without --artifact-type)")
}

func (o *imageOptions) values() (flag string, values []string) {
	return "image-spec", []string{"v1.1", "v1.0"}
}

func (o *imageOptions) validate() error {
	p := o.pack
	switch {
	case p.imageSpec != "" && p.imageSpec != "v1.0" && p.imageSpec != "v1.1":
		return fmt.Errorf("invalid --image-spec %q: supported are v1.1 and v1.0", p.imageSpec)
	case p.artifactPlatform != "" && p.config != "":
		return errors.New("--artifact-platform and --config cannot be used together")
	case p.imageSpec == "v1.1" && p.config != "" && p.artifactType == "":
		return withHint(errors.New("missing artifact type for OCI image-spec v1.1 artifacts"), "give one by --artifact-type, or choose --image-spec v1.0")
	case p.imageSpec == "v1.0" && p.config != "" && p.artifactType != "":
		return errors.New("--artifact-type and --config cannot both be given for image-spec v1.0, which has one type for both")
	case p.artifactPlatform == "":
		return nil
	}
	_, err := parsePlatform(p.artifactPlatform)
	return err
}

// The keys of an annotation file that are no file names.
const (
	annotationsOfConfig   = "$config"
	annotationsOfManifest = "$manifest"
)

// allAnnotations returns the annotations by what they belong to: a file, or
// one of the two keys above.
func (o *packOptions) allAnnotations() (map[string]map[string]string, error) {
	if o.annotationFile == "" {
		m, err := o.annotationMap()
		return map[string]map[string]string{annotationsOfManifest: m}, err
	}
	raw, err := os.ReadFile(o.annotationFile)
	if err != nil {
		return nil, fmt.Errorf("read the annotations: %w", err)
	}
	var all map[string]map[string]string
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, withHint(fmt.Errorf("read the annotations %s: %w", o.annotationFile, err),
			`write it as {"$manifest": {"key": "value"}, "$config": {…}, "FILE": {…}}`)
	}
	return all, nil
}

// pack reads the files for t and makes the manifest. The caller closes the
// source.
func (o *packOptions) pack(ctx context.Context, env *Env, t *target, p *output.Progress) (*files.Source, orlop.Manifest, error) {
	args, err := fileArgs(o.files)
	if err != nil {
		return nil, orlop.Manifest{}, err
	}
	annotations, err := o.allAnnotations()
	if err != nil {
		return nil, orlop.Manifest{}, err
	}
	src, err := o.layers.load(ctx, env, t, args, files.LoadOptions{
		AllowAbsolute: o.disablePathValidation,
		Annotations:   annotations,
		OnFile:        func(title string) { p.Note("Preparing", cmp.Or(title, stdinName)) },
		OnRead:        reading(p),
	})
	if err != nil {
		return nil, orlop.Manifest{}, err
	}
	m, err := o.packManifest(env, src, annotations)
	if err != nil {
		src.Close()
		return nil, orlop.Manifest{}, err
	}
	return src, m, nil
}

// export writes the manifest where the user wants a copy of it.
func (o *packOptions) export(m orlop.Manifest) error {
	if o.exportManifest == "" {
		return nil
	}
	if err := os.WriteFile(o.exportManifest, m.Raw, 0o666); err != nil {
		return fmt.Errorf("export the manifest: %w", err)
	}
	return nil
}

func (o *packOptions) packManifest(env *Env, src *files.Source, annotations map[string]map[string]string) (orlop.Manifest, error) {
	created, err := o.layers.created(env)
	if err != nil {
		return orlop.Manifest{}, err
	}
	p := orlop.PackOptions{
		ArtifactType: o.artifactType, Layers: src.Layers(), Subject: o.subject, Created: created,
		Annotations: annotations[annotationsOfManifest], ConfigAnnotations: annotations[annotationsOfConfig],
	}
	if p.Config, err = o.addConfig(src, p.ConfigAnnotations); err != nil {
		return orlop.Manifest{}, err
	}
	switch {
	case o.imageSpec == "v1.0", o.imageSpec == "" && o.config != "" && o.artifactType == "":
		p.ImageSpec = orlop.ImageSpecV10
	case p.ArtifactType == "" && o.config == "":
		p.ArtifactType = unknownArtifact
	}
	m, blobs, err := orlop.Pack(p)
	if err != nil {
		return orlop.Manifest{}, err
	}
	for _, b := range blobs {
		src.AddBlob(b.Content, b.Descriptor)
	}
	src.SetManifest(m)
	return m, nil
}

// addConfig adds the configuration that the flags ask for, nil if none.
func (o *packOptions) addConfig(src *files.Source, annotations map[string]string) (*orlop.Descriptor, error) {
	switch {
	case o.config != "":
		arg, err := files.ParseArg(o.config, runtime.GOOS == "windows")
		if err != nil {
			return nil, &usageError{err: fmt.Errorf("--config: %w", err)}
		}
		d, err := src.AddConfig(arg.Path, arg.MediaType)
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		return &d, nil
	case o.artifactPlatform != "":
		d, err := platformConfig(src, o.artifactPlatform)
		d.Annotations = annotations
		return &d, err
	}
	return nil, nil
}

// platformConfig adds an image configuration that names a platform only.
func platformConfig(src *files.Source, platform string) (orlop.Descriptor, error) {
	p, err := parsePlatform(platform)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	d := orlop.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	src.AddBlob(raw, d)
	return d, nil
}

// fileArgs parses FILE[:TYPE] arguments.
func fileArgs(raw []string) ([]files.Arg, error) {
	args := make([]files.Arg, len(raw))
	for i, s := range raw {
		arg, err := files.ParseArg(s, runtime.GOOS == "windows")
		if err != nil {
			return nil, &usageError{err: err}
		}
		args[i] = arg
	}
	return args, nil
}

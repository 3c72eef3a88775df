package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

type attachOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	targetOptions
	distributionOptions
	platformOptions
	packOptions
	concurrencyOptions

	subject string
}

func newAttachCommand(env *Env) *cobra.Command {
	var opts attachOptions
	opts.distributionOptions.remote = &opts.remoteOptions
	cmd := &cobra.Command{
		Use: "attach [flags] --artifact-type=<type> <name>{:<tag>|@<digest>} " +
			"{<file>[:<type>]|--annotation <key>=<value>} [...]",
		Short: "Attach files or annotations to an artifact",
		Long: `Attach files to an artifact that is there: they become an artifact of their
own that refers to it, such as a signature, a bill of materials or a report.
The artifact itself stays as it is; discover lists what refers to it.`,
		Example: examples(env, `
Attach the file hi.txt, as a document of the type doc/example:
  orlop attach --artifact-type doc/example localhost:5000/hello:v1 hi.txt

Attach a file with a media type of its own:
  orlop attach --artifact-type doc/example localhost:5000/hello:v1 hi.txt:application/vnd.me.hi

Attach an annotation alone:
  orlop attach --artifact-type doc/example -a reviewed=yes localhost:5000/hello:v1

Attach to the image of one platform of an index:
  orlop attach --artifact-type doc/example --platform linux/arm64 localhost:5000/hello:v1 hi.txt

Attach to an artifact in the OCI image layout directory layout-dir:
  orlop attach --oci-layout --artifact-type doc/example layout-dir:v1 hi.txt`),
		Args: minArgs(1, "the artifact to attach to, and the files"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.subject, opts.files = args[0], args[1:]
			if err := opts.complete(cmd); err != nil {
				return err
			}
			return runAttach(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.targetOptions,
		&opts.distributionOptions, &opts.platformOptions, &opts.packOptions, &opts.concurrencyOptions)
	return cmd
}

// complete checks what a subject and its attachment need.
func (o *attachOptions) complete(cmd *cobra.Command) error {
	switch {
	case o.artifactType == "":
		return withHint(wrongUse(cmd, errors.New("no artifact type")), "say what is attached with --artifact-type, a media type")
	case o.config != "" && o.platform != "":
		return wrongUse(cmd, errors.New("--config and --platform cannot be used together"))
	}
	annotations, err := o.allAnnotations()
	if err != nil {
		return err
	}
	if len(o.files) == 0 && len(annotations[annotationsOfManifest]) == 0 {
		return withHint(wrongUse(cmd, errors.New("neither file nor annotation provided in the command")),
			"name a file, or give an annotation with --annotation")
	}
	return nil
}

func runAttach(ctx context.Context, env *Env, opts *attachOptions) error {
	if err := checkStdin(opts.files, &opts.remoteOptions); err != nil {
		return err
	}
	t, err := opts.open(env, &opts.commonOptions, opts.subject)
	if err != nil {
		return err
	}
	if err := t.needReference(); err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	subject, err := resolve(ctx, t, &opts.platformOptions)
	if err != nil {
		return err
	}
	opts.packOptions.subject = &orlop.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	out := output.NewPrinter(env.Stdout)
	p := progress(env, &opts.commonOptions, &opts.ttyOptions, opts.formatOptions.parsed, out,
		"Preparing", "Uploading", "Uploaded", "Exists", "Skipped")
	m, err := push(ctx, env, &opts.packOptions, &opts.concurrencyOptions, t, p, orlop.CopyOptions{})
	p.Close()
	if err != nil {
		return pushFailure(t, err)
	}
	if err := opts.export(m); err != nil {
		return err
	}
	if f := opts.formatOptions.parsed; !f.IsText() {
		return f.Write(env.Stdout, manifestResult{t.digested(m.Descriptor.Digest), describe(m.Descriptor)})
	}
	out.Line("Attached to [%s] %s", t.kind, t.digested(subject.Digest))
	out.Line("Digest: %s", m.Descriptor.Digest)
	return out.Err()
}

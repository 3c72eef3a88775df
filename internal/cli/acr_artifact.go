package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/ref"
)

// subjectOptions name a repository or an image, one of the two.
type subjectOptions struct {
	repository, image string
	subject           image // either of them, parsed
}

func (o *subjectOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.repository, "repository", "", "name of the repository")
	fs.StringVarP(&o.image, "image", "t", "", "image as `REPOSITORY:TAG` or REPOSITORY@DIGEST")
}

func (o *subjectOptions) validate() (err error) {
	switch {
	case (o.repository == "") == (o.image == ""):
		return usagef("give either --repository or --image")
	case o.image != "":
		o.subject, err = parseImage(o.image, byEither)
		return err
	}
	o.subject = image{repo: o.repository}
	return ref.ValidateRepository(o.repository)
}

// artifactOptions are the flags of the commands below "acr manifest". They name
// what they are about by --registry and --name, or by an argument that has both.
type artifactOptions struct {
	acrOptions
	form imageForm // set before use

	name  string
	image image // parsed
}

func (o *artifactOptions) addFlags(fs *pflag.FlagSet) {
	o.acrOptions.addFlags(fs)
	fs.StringVarP(&o.name, "name", "n", "", "name in the registry, as "+want[o.form])
}

// choose takes the argument, if there is one, or else the flags.
func (o *artifactOptions) choose(args []string) (err error) {
	name := o.name
	switch {
	case len(args) > 0 && name != "":
		return usagef("give either --name or %q", args[0])
	case len(args) > 0:
		if o.registryName, name, err = cutLoginServer(args[0], o.form); err != nil {
			return err
		}
	case name == "":
		return withHint(usagef("which artifact?"), "give --registry REGISTRY --name %s, or LOGIN-SERVER/%s", want[o.form], want[o.form])
	}
	o.image, err = parseImage(name, o.form)
	return err
}

// openArtifact opens the registry of what the argument or the flags name.
func (o *artifactOptions) openArtifact(env *Env, args []string) (acrRegistry, error) {
	if err := o.choose(args); err != nil {
		return acrRegistry{}, err
	}
	return o.open(env)
}

// artifactArgs demand at most the one argument that names an artifact.
func artifactArgs(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return wrongArgs(cmd, "at most 1", 1, "LOGIN-SERVER/REPOSITORY:TAG, or --registry and --name", len(args))
}

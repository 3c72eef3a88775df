package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
)

// prettyOptions choose how JSON is printed that a command did not make itself.
type prettyOptions struct {
	pretty bool
}

func (o *prettyOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.pretty, "pretty", false, "indent the JSON that is printed")
}

func (o *prettyOptions) validate() error { return nil }

// write prints JSON: byte for byte, or indented with a final newline.
func (o *prettyOptions) write(w io.Writer, raw []byte) error {
	if o.pretty {
		var b bytes.Buffer
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			return withHint(err, "it is no JSON; leave --pretty out")
		}
		b.WriteByte('\n')
		raw = b.Bytes()
	}
	_, err := w.Write(raw)
	return err
}

// descriptorOptions ask for the descriptor of the content that a command works
// on, in place of what it prints for people.
type descriptorOptions struct {
	prettyOptions
	descriptor bool
}

func (o *descriptorOptions) addFlags(fs *pflag.FlagSet) {
	o.prettyOptions.addFlags(fs)
	fs.BoolVar(&o.descriptor, "descriptor", false, "print the descriptor")
}

// writeDescriptor prints a descriptor on one line without an end, or indented.
func (o *descriptorOptions) writeDescriptor(w io.Writer, d orlop.Descriptor) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return o.write(w, raw)
}

// deleteOptions are the flags of commands that delete content.
type deleteOptions struct {
	descriptorOptions
	force bool
}

func (o *deleteOptions) addFlags(fs *pflag.FlagSet) {
	o.descriptorOptions.addFlags(fs)
	fs.BoolVarP(&o.force, "force", "f", false, "do not ask, and take what is absent for deleted")
}

func (o *deleteOptions) validate() error {
	if o.descriptor && !o.force {
		return errors.New("--descriptor needs --force, for a question does not go with it")
	}
	return nil
}

// confirmed asks whether to delete what is named, unless --force is given.
func (o *deleteOptions) confirmed(env *Env, what string) (bool, error) {
	if o.force {
		return true, nil
	}
	return confirmDelete(env, "Are you sure you want to delete "+what+"?")
}

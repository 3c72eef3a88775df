package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/ref"
)

// conditionOptions say what a tag must name before it is moved, so that of
// several who would move it from there one gets its way.
type conditionOptions struct {
	match  string
	absent bool
}

func (o *conditionOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.match, "if-match", "", "only if the tag names the manifest with this `digest` at that moment")
	fs.BoolVar(&o.absent, "if-none-match", false, "only if nothing has the tag at that moment")
}

func (o *conditionOptions) validate() error {
	if o.match != "" && o.absent {
		return usagef("--if-match and --if-none-match exclude each other")
	}
	if o.match != "" {
		if _, err := ref.ValidateDigest(o.match); err != nil {
			return usagef("--if-match: %v", err)
		}
	}
	return nil
}

// given tells whether there is a condition.
func (o *conditionOptions) given() bool { return o.match != "" || o.absent }

// flag is the name of the flag that was given.
func (o *conditionOptions) flag() string {
	if o.absent {
		return "--if-none-match"
	}
	return "--if-match"
}

// fits tells what is wrong with a condition on these tags.
func (o *conditionOptions) fits(t *target, tags []string) error {
	switch {
	case !o.given():
		return nil
	case t.kind != kindRegistry:
		return usagef("%s is for registries, not for image layouts", o.flag())
	case len(tags) != 1:
		return usagef("%s is for one tag", o.flag())
	}
	return nil
}

// check looks whether the condition holds before anything is sent. What counts is
// what put finds.
func (o *conditionOptions) check(ctx context.Context, t *target, tag string) error {
	there, err := t.Resolve(ctx, t.repo, tag)
	switch {
	case isNotFound(err):
		err = nil
	case err != nil:
		return err
	}
	if !o.holds(there.Digest) {
		return o.failed(tag, there.Digest)
	}
	return err
}

// holds tells whether the condition holds for a tag that names a manifest, "" for
// none.
func (o *conditionOptions) holds(there digest.Digest) bool {
	if o.absent {
		return there == ""
	}
	return there != "" && there == digest.Digest(o.match)
}

// failed is the error of a condition that does not hold.
func (o *conditionOptions) failed(tag string, there digest.Digest) error {
	text := fmt.Sprintf("the tag %s names %s", tag, there)
	if there == "" {
		text = fmt.Sprintf("there is no tag %s", tag)
	}
	return withHint(local(orlop.ErrPreconditionFailed.With(text)), "nothing was tagged; look at what has changed, and try again with what the tag names now")
}

// putTags makes tags name a manifest, under the condition if there is one.
func (o *conditionOptions) putTags(ctx context.Context, env *Env, t *target, m orlop.Manifest, tags []string) error {
	if !o.given() {
		return t.put(ctx, m, tags...)
	}
	if err := o.check(ctx, t, tags[0]); err != nil {
		return err
	}
	return o.put(ctx, env, t, m, tags[0])
}

// put makes the tag name a manifest if the condition holds at that moment. At a
// registry that does not say that it heeds conditions it compares before and
// after, and says so.
func (o *conditionOptions) put(ctx context.Context, env *Env, t *target, m orlop.Manifest, tag string) error {
	p, ok := t.Registry.(orlop.ConditionalPusher)
	if !ok {
		return usagef("%s is for registries", o.flag())
	}
	d := m.Descriptor
	exact, err := p.PushManifestIf(ctx, t.repo, d.MediaType, d.Digest, m.Raw, tag,
		orlop.TagCondition{Match: digest.Digest(o.match), Absent: o.absent})
	if errors.Is(err, orlop.ErrPreconditionFailed) {
		return o.came(ctx, t, tag)
	}
	if err != nil || exact {
		return err
	}
	there, err := t.Resolve(ctx, t.repo, tag)
	if err != nil {
		return err
	}
	if there.Digest != d.Digest {
		return o.failed(tag, there.Digest)
	}
	output.NewPrinter(env.Stderr).Line("WARNING: %s does not say that it heeds %s: the tag was compared before and after, and of two who push at once both may be told that they were first",
		t.host(), o.flag())
	return nil
}

// came is the error where somebody came first.
func (o *conditionOptions) came(ctx context.Context, t *target, tag string) error {
	there, err := t.Resolve(ctx, t.repo, tag)
	if err != nil && !isNotFound(err) {
		return err
	}
	return o.failed(tag, there.Digest)
}

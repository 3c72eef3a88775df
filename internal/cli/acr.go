package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote"
)

func newACRCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "acr [command]",
		Short: "Manage a registry as `az acr` does",
		Long: `Manage a registry as "az acr" does, with the same flags and output.

--name gives the registry: a full host name, or a short name that becomes one
by --suffix, by "loginServerSuffix" in the configuration ($ORLOP_CONFIG, by
default orlop/config.json in the user's configuration directory), or by the
registry last signed in to.

Who you are here is who you signed in as by "acr login", as for "az acr" it is
who signed in by "az login": a later "login" with an account that only pushes
and pulls does not change it. Without "acr login" it is the account of "login".`,
	},
		newACRLoginCommand(env),
		newACRRepositoryCommand(env),
		newACRServicePrincipalCommand(env),
		newACRUserCommand(env),
	)
}

// registryOptions name a registry in the way of az.
type registryOptions struct {
	remoteOptions
	registryName, suffix string
}

func (o *registryOptions) addFlags(fs *pflag.FlagSet) {
	o.remoteOptions.addFlags(fs)
	fs.StringVarP(&o.registryName, "name", "n", "", "the registry: its name or login server")
	fs.StringVarP(&o.registryName, "registry", "r", "", "as --name")
	fs.StringVar(&o.suffix, "suffix", "", "login server suffix that follows the name")
	fs.MarkHidden("registry")
}

func (o *registryOptions) validate() error { return o.remoteOptions.validate() }

// acrRegistry is a registry with the ACR data plane under /acr/v1.
type acrRegistry struct {
	*remote.Registry
}

// openACR opens the registry that --name names.
func (o *registryOptions) openACR(env *Env, c *commonOptions) (acrRegistry, error) {
	host, err := loginServer(env, o.registryName, o.suffix)
	if err != nil {
		return acrRegistry{}, err
	}
	cred, err := o.acrCredential(env)
	if err != nil {
		return acrRegistry{}, err
	}
	reg, err := o.open(env, c, host, cred)
	return acrRegistry{reg}, err
}

// maxAnswer is the largest answer, in bytes, that is read as JSON.
const maxAnswer = 4 << 20

// get reads JSON into v and returns the next page's URL, "" on the last page.
func (r acrRegistry) get(ctx context.Context, path, scope string, v any) (next string, err error) {
	resp, err := r.send(ctx, http.MethodGet, path, scope)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", remote.ResponseError(resp)
	}
	dec := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, maxAnswer))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return "", fmt.Errorf("read the answer to GET %s: %w", path, err)
	}
	return nextPage(resp), nil
}

// delete sends DELETE. The answer's JSON goes into v if v is not nil.
func (r acrRegistry) delete(ctx context.Context, path, scope string, v any) error {
	resp, err := r.send(ctx, http.MethodDelete, path, scope)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return remote.ResponseError(resp)
	}
	if v == nil {
		return nil
	}
	dec := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, maxAnswer))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("read the answer to DELETE %s: %w", path, err)
	}
	return nil
}

func (r acrRegistry) send(ctx context.Context, method, path, scope string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, path, nil)
	if err != nil {
		return nil, err
	}
	return r.Do(req, scope)
}

// nextPage reads the relative URL of a Link header with rel="next".
func nextPage(resp *http.Response) string {
	link := resp.Header.Get("Link")
	start, end := strings.IndexByte(link, '<'), strings.IndexByte(link, '>')
	if start < 0 || end < start {
		return ""
	}
	u, err := url.Parse(link[start+1 : end])
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

// metadataPath is the path of a repository's metadata; the name has been
// checked and needs no escaping.
func metadataPath(repo, rest string) string { return "/acr/v1/" + repo + rest }

// image is what --image names.
type image struct {
	repo, tag, digest string
}

// parseImage parses R:T or R@D.
func parseImage(s string) (image, error) {
	r, err := ref.Parse("registry.invalid/" + s)
	if err != nil {
		return image{}, withHint(&usageError{err: fmt.Errorf("--image %q is no image", s)},
			"write it as REPOSITORY:TAG or REPOSITORY@DIGEST")
	}
	im := image{repo: r.Repository, tag: r.Tag, digest: string(r.Digest)}
	if im.tag == "" && im.digest == "" {
		im.tag = "latest" // as az does
	}
	return im, nil
}

// String is R:T or R@D.
func (i image) String() string {
	if i.digest != "" {
		return i.repo + "@" + i.digest
	}
	return i.repo + ":" + i.tag
}

// reference is the tag or the digest.
func (i image) reference() string {
	if i.digest != "" {
		return i.digest
	}
	return i.tag
}

// metadata returns the path of the image's metadata, and the key under which
// the answer has it.
func (i image) metadata() (path, key string) {
	if i.digest != "" {
		return metadataPath(i.repo, "/_manifests/"+i.digest), "manifest"
	}
	return metadataPath(i.repo, "/_tags/"+i.tag), "tag"
}

package azuresdk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
)

// status is that of the answer that an error came of; 0 if of none.
func status(err error) int {
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return e.StatusCode
	}
	return 0
}

// artifact is a manifest whose text differs by n, with an empty configuration.
func artifact(config string, n int) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[],"annotations":{"n":"%d"}}`, config, n)
}

// push pushes a manifest under a tag, or by its digest, and returns that.
func push(t *testing.T, c *azcontainerregistry.Client, repo, reference string, manifest []byte) string {
	t.Helper()
	done := must(c.UploadManifest(t.Context(), repo, reference, azcontainerregistry.ContentTypeApplicationVndOciImageManifestV1JSON,
		streaming.NopCloser(bytes.NewReader(manifest)), nil))(t)
	return *done.DockerContentDigest
}

func TestManifests(t *testing.T) {
	const repo = "manifests/of/the-sdk"
	a := newApplication(t, "Contributor")
	c, ctx := a.client(t), t.Context()
	manifest := artifact(upload(t, a.blobs(t), repo, []byte("{}")), 1)
	digest := push(t, c, repo, "1.0", manifest)

	for _, reference := range []string{"1.0", digest} {
		got := must(c.GetManifest(ctx, repo, reference, nil))(t)
		if raw := must(io.ReadAll(got.ManifestData))(t); !bytes.Equal(raw, manifest) || *got.DockerContentDigest != digest {
			t.Errorf("%s: %s", reference, raw)
		}
	}
	p := must(c.GetManifestProperties(ctx, repo, digest, nil))(t)
	if *p.RepositoryName != repo || *p.RegistryLoginServer != service(t) || *p.Manifest.Digest != digest || *p.Manifest.Tags[0] != "1.0" || p.Manifest.CreatedOn.IsZero() {
		t.Errorf("%+v", p.Manifest)
	}
	changed := must(c.UpdateManifestProperties(ctx, repo, digest, &azcontainerregistry.ClientUpdateManifestPropertiesOptions{
		Value: &azcontainerregistry.ManifestWriteableProperties{CanDelete: to.Ptr(false)},
	}))(t)
	if *changed.Manifest.ChangeableAttributes.CanDelete || !*changed.Manifest.ChangeableAttributes.CanRead {
		t.Errorf("%+v", changed.Manifest.ChangeableAttributes)
	}
	if _, err := c.DeleteManifest(ctx, repo, digest, nil); status(err) != http.StatusMethodNotAllowed {
		t.Errorf("a locked manifest: %v", err)
	}
	must(c.UpdateManifestProperties(ctx, repo, digest, &azcontainerregistry.ClientUpdateManifestPropertiesOptions{
		Value: &azcontainerregistry.ManifestWriteableProperties{CanDelete: to.Ptr(true)},
	}))(t)
	must(c.DeleteManifest(ctx, repo, digest, nil))(t)
	must(c.DeleteManifest(ctx, repo, digest, nil))(t) // absent: no error
	if _, err := c.GetManifestProperties(ctx, repo, digest, nil); status(err) != http.StatusNotFound {
		t.Errorf("deleted: %v", err)
	}
}

// lock keeps a tag from being changed and removed.
func lock(t *testing.T, c *azcontainerregistry.Client, repo, tag string) *azcontainerregistry.TagWriteableProperties {
	t.Helper()
	p := must(c.UpdateTagProperties(t.Context(), repo, tag, &azcontainerregistry.ClientUpdateTagPropertiesOptions{
		Value: &azcontainerregistry.TagWriteableProperties{CanWrite: to.Ptr(false), CanDelete: to.Ptr(false)},
	}))(t)
	return p.Tag.ChangeableAttributes
}

func TestTags(t *testing.T) {
	const repo = "tags/of/the-sdk"
	a := newApplication(t, "Contributor")
	c, ctx := a.client(t), t.Context()
	config := upload(t, a.blobs(t), repo, []byte("{}"))
	digest := push(t, c, repo, "1.0", artifact(config, 1))
	p := must(c.GetTagProperties(ctx, repo, "1.0", nil))(t)
	if *p.Tag.Name != "1.0" || *p.Tag.Digest != digest || *p.RepositoryName != repo || p.Tag.LastUpdatedOn.IsZero() {
		t.Errorf("%+v", p.Tag)
	}
	if locked := lock(t, c, repo, "1.0"); *locked.CanWrite || *locked.CanDelete || !*locked.CanRead {
		t.Errorf("%+v", locked)
	}
	if _, err := c.DeleteTag(ctx, repo, "1.0", nil); status(err) != http.StatusMethodNotAllowed {
		t.Errorf("delete a locked tag: %v", err)
	}
	other := artifact(config, 2)
	if _, err := c.UploadManifest(ctx, repo, "1.0", azcontainerregistry.ContentTypeApplicationVndOciImageManifestV1JSON,
		streaming.NopCloser(bytes.NewReader(other)), nil); status(err) != http.StatusMethodNotAllowed {
		t.Errorf("move a locked tag: %v", err)
	}
	must(c.UpdateTagProperties(ctx, repo, "1.0", &azcontainerregistry.ClientUpdateTagPropertiesOptions{
		Value: &azcontainerregistry.TagWriteableProperties{CanWrite: to.Ptr(true), CanDelete: to.Ptr(true)},
	}))(t)
	must(c.DeleteTag(ctx, repo, "1.0", nil))(t)
	must(c.DeleteTag(ctx, repo, "1.0", nil))(t) // absent: no error
	if _, err := c.GetTagProperties(ctx, repo, "1.0", nil); status(err) != http.StatusNotFound {
		t.Errorf("deleted: %v", err)
	}
}

func TestRepositories(t *testing.T) {
	const repo = "repositories/of/the-sdk"
	a := newApplication(t, "Contributor")
	c, ctx := a.client(t), t.Context()
	push(t, c, repo, "1.0", artifact(upload(t, a.blobs(t), repo, []byte("{}")), 1))
	p := must(c.GetRepositoryProperties(ctx, repo, nil))(t)
	if *p.Name != repo || *p.RegistryLoginServer != service(t) || *p.ManifestCount != 1 || *p.TagCount != 1 || p.CreatedOn.IsZero() {
		t.Errorf("%+v", p)
	}
	changed := must(c.UpdateRepositoryProperties(ctx, repo, &azcontainerregistry.ClientUpdateRepositoryPropertiesOptions{
		Value: &azcontainerregistry.RepositoryWriteableProperties{CanList: to.Ptr(false)},
	}))(t)
	if *changed.ChangeableAttributes.CanList || !*changed.ChangeableAttributes.CanDelete {
		t.Errorf("%+v", changed.ChangeableAttributes)
	}
	must(c.DeleteRepository(ctx, repo, nil))(t)
	must(c.DeleteRepository(ctx, repo, nil))(t) // absent: no error
	if _, err := c.GetRepositoryProperties(ctx, repo, nil); status(err) != http.StatusNotFound {
		t.Errorf("deleted: %v", err)
	}
}

const many = 250

// collect reads all pages, of which there must be several.
func collect[T any](t *testing.T, pager *runtime.Pager[T], names func(T) []string) []string {
	t.Helper()
	var all []string
	pages := 0
	for ; pager.More(); pages++ {
		all = append(all, names(must(pager.NextPage(t.Context()))(t))...)
	}
	if pages < 3 {
		t.Errorf("%d pages", pages)
	}
	return all
}

// TestPages reads lists of 250 by pages, by name and by time.
func TestPages(t *testing.T) {
	const repo = "pages/all"
	a := newApplication(t, "Contributor")
	c := a.client(t)
	config := upload(t, a.blobs(t), repo, []byte("{}"))
	var tags, digests []string
	for n := range many {
		tag := fmt.Sprintf("t%03d", n)
		tags, digests = append(tags, tag), append(digests, push(t, c, repo, tag, artifact(config, n)))
	}
	newest := slices.Clone(tags)
	slices.Reverse(newest)
	sorted := slices.Sorted(slices.Values(digests))

	tagNames := func(p azcontainerregistry.ClientListTagsResponse) (names []string) {
		for _, tag := range p.Tags {
			names = append(names, *tag.Name)
		}
		return names
	}
	for _, o := range []azcontainerregistry.ClientListTagsOptions{
		{}, {MaxNum: to.Ptr(int32(100))}, {MaxNum: to.Ptr(int32(100)), OrderBy: to.Ptr(azcontainerregistry.ArtifactTagOrderByNone)},
		{MaxNum: to.Ptr(int32(70)), OrderBy: to.Ptr(azcontainerregistry.ArtifactTagOrderByLastUpdatedOnAscending)},
	} {
		if got := collect(t, c.NewListTagsPager(repo, &o), tagNames); !slices.Equal(got, tags) {
			t.Errorf("%+v: %d tags: %v", o, len(got), got)
		}
	}
	o := azcontainerregistry.ClientListTagsOptions{MaxNum: to.Ptr(int32(100)), OrderBy: to.Ptr(azcontainerregistry.ArtifactTagOrderByLastUpdatedOnDescending)}
	if got := collect(t, c.NewListTagsPager(repo, &o), tagNames); !slices.Equal(got, newest) {
		t.Errorf("newest first: %v", got)
	}
	one := must(c.NewListTagsPager(repo, &azcontainerregistry.ClientListTagsOptions{Digest: &digests[7]}).NextPage(t.Context()))(t)
	if len(one.Tags) != 1 || *one.Tags[0].Name != tags[7] {
		t.Errorf("of one manifest: %+v", one.Tags)
	}

	manifestNames := func(p azcontainerregistry.ClientListManifestsResponse) (names []string) {
		for _, m := range p.Attributes {
			names = append(names, *m.Digest)
		}
		return names
	}
	if got := collect(t, c.NewListManifestsPager(repo, &azcontainerregistry.ClientListManifestsOptions{MaxNum: to.Ptr(int32(100))}), manifestNames); !slices.Equal(got, sorted) {
		t.Errorf("%d manifests", len(got))
	}
	byTime := azcontainerregistry.ClientListManifestsOptions{MaxNum: to.Ptr(int32(90)), OrderBy: to.Ptr(azcontainerregistry.ArtifactManifestOrderByLastUpdatedOnAscending)}
	if got := collect(t, c.NewListManifestsPager(repo, &byTime), manifestNames); !slices.Equal(got, digests) {
		t.Errorf("oldest first: %d manifests", len(got))
	}
}

func TestPagesOfRepositories(t *testing.T) {
	a := newApplication(t, "Contributor")
	c, blobs := a.client(t), a.blobs(t)
	config := upload(t, blobs, "catalog/r000", []byte("{}"))
	var want []string
	for n := range many {
		repo := fmt.Sprintf("catalog/r%03d", n)
		if n > 0 {
			must(blobs.MountBlob(t.Context(), repo, "catalog/r000", config, nil))(t)
		}
		push(t, c, repo, "1.0", artifact(config, 0))
		want = append(want, repo)
	}
	got := collect(t, c.NewListRepositoriesPager(&azcontainerregistry.ClientListRepositoriesOptions{MaxNum: to.Ptr(int32(60))}),
		func(p azcontainerregistry.ClientListRepositoriesResponse) (names []string) {
			for _, name := range p.Names {
				if strings.HasPrefix(*name, "catalog/") { // those of other tests
					names = append(names, *name)
				}
			}
			return names
		})
	if !slices.Equal(got, want) {
		t.Errorf("%d repositories", len(got))
	}
}

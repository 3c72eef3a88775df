package sqlmeta

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// openAt opens a database whose clock stands still until it is moved.
func openAt(t *testing.T, open opener) (db *DB, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	db = open(t, Options{Now: func() time.Time { return at }})
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Fatal(err)
	}
	return db, &at
}

// tagPages lists tags page by page and runs between after each page.
func tagPages(t *testing.T, db *DB, q meta.TagQuery, between func(last string)) []string {
	t.Helper()
	var out []string
	for range 100 {
		page, err := db.TagInfos(t.Context(), 1, "a", q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return out
		}
		for _, tag := range page {
			out = append(out, tag.Name)
		}
		q.After = out[len(out)-1]
		between(q.After)
	}
	t.Fatalf("the list has no end: %q", out)
	return nil
}

// TestPagesOfTags pages through names that are prefixes of each other, all
// changed at the same moment, in each order, also where the last of a page is
// deleted.
func TestPagesOfTags(t *testing.T) { eachEngine(t, testPagesOfTags) }

func testPagesOfTags(t *testing.T, open opener) {
	names := []string{"1", "A", "a", "a-b", "a.b", "a1", "aB", "a_b", "ab", "b"} // in byte order
	reversed := slices.Clone(names)
	slices.Reverse(reversed)
	for order, want := range map[meta.Order][]string{meta.ByName: names, meta.NewestFirst: reversed, meta.OldestFirst: names} {
		for _, n := range []int{1, 3} {
			for _, deleting := range []bool{false, true} {
				t.Run(fmt.Sprint(order, n, deleting), func(t *testing.T) {
					db, now := openAt(t, open)
					update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", manifestOf("m", "x"), reversed, "") })
					*now = now.Add(time.Hour)
					got := tagPages(t, db, meta.TagQuery{N: n, Order: order}, func(last string) {
						if deleting {
							update(t, db, func(tx *Tx) error { return tx.DeleteTag(1, "a", last, "") })
						}
					})
					if !slices.Equal(got, want) {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			}
		}
	}
}

// TestNamesInByteOrder pages through the plain lists.
func TestNamesInByteOrder(t *testing.T) { eachEngine(t, testNamesInByteOrder) }

func testNamesInByteOrder(t *testing.T, open opener) {
	db, _ := openAt(t, open)
	names := []string{"a", "a-b", "a.b", "a/b", "a0", "ab"}
	for _, name := range slices.Backward(names) {
		if err := putSmall(db, t, name, "x"); err != nil {
			t.Fatal(err)
		}
	}
	tags := []string{"B", "a", "a-b", "a.b", "a_b", "ab"}
	for _, tag := range slices.Backward(tags) {
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", manifestOf("m", "x"), []string{tag}, "") })
	}
	for name, list := range map[string]struct {
		want []string
		page func(after string, n int) ([]string, error)
	}{
		"repositories": {names, func(after string, n int) ([]string, error) { return db.Repositories(t.Context(), 1, after, n) }},
		"tags":         {tags, func(after string, n int) ([]string, error) { return db.Tags(t.Context(), 1, "a", after, n) }},
	} {
		var got []string
		for after := ""; len(got) <= len(list.want); after = got[len(got)-1] {
			page, err := list.page(after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, page...); len(page) == 0 {
				break
			}
		}
		if !slices.Equal(got, list.want) {
			t.Errorf("%s: %q, want %q", name, got, list.want)
		}
	}
}

// TestTagsAfterTheyMoved: a tag's place in time is that of its last move, also
// when it has been deleted since.
func TestTagsAfterTheyMoved(t *testing.T) { eachEngine(t, testTagsAfterTheyMoved) }

func testTagsAfterTheyMoved(t *testing.T, open opener) {
	db, now := openAt(t, open)
	put := func(raw string, tags ...string) {
		*now = now.Add(time.Minute)
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", manifestOf(raw, "x"), tags, "") })
	}
	put("one", "moved")
	put("one", "second")
	put("two", "moved")
	put("one", "last")
	put("one", "second") // as it was: not a change
	want := []string{"last", "moved", "second"}
	if got := tagPages(t, db, meta.TagQuery{N: 1, Order: meta.NewestFirst}, func(string) {}); !slices.Equal(got, want) {
		t.Errorf("newest first: %q", got)
	}
	if got := tagPages(t, db, meta.TagQuery{N: 1, Digest: digest.FromString("one")}, func(string) {}); !slices.Equal(got, []string{"last", "second"}) {
		t.Errorf("of one manifest: %q", got)
	}
	info, err := db.TagInfo(t.Context(), 1, "a", "moved")
	if err != nil || info.Updated.Sub(info.Created) != 2*time.Minute || info.Digest != digest.FromString("two") {
		t.Errorf("%+v, %v", info, err)
	}
	*now = now.Add(time.Minute)
	update(t, db, func(tx *Tx) error { return tx.DeleteTag(1, "a", "moved", "") })
	for order, want := range map[meta.Order]string{meta.NewestFirst: "second", meta.OldestFirst: "last"} {
		page, err := db.TagInfos(t.Context(), 1, "a", meta.TagQuery{After: "moved", N: 5, Order: order})
		if err != nil || len(page) != 1 || page[0].Name != want {
			t.Errorf("order %d after a deleted tag: %+v, %v", order, page, err)
		}
	}
}

// TestPagesOfManifests pages through manifests that came at the same moment.
func TestPagesOfManifests(t *testing.T) { eachEngine(t, testPagesOfManifests) }

func testPagesOfManifests(t *testing.T, open opener) {
	db, _ := openAt(t, open)
	var came, sorted []string
	for i := range 7 {
		m := manifestOf(fmt.Sprint("m", i), "x")
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", m, nil, "") })
		came = append(came, string(m.Descriptor.Digest))
	}
	sorted = slices.Sorted(slices.Values(came))
	reversed := slices.Clone(came)
	slices.Reverse(reversed)
	for order, want := range map[meta.Order][]string{meta.ByName: sorted, meta.NewestFirst: reversed, meta.OldestFirst: came} {
		var got []string
		q := meta.ManifestQuery{N: 2, Order: order}
		for len(got) <= len(want) {
			page, err := db.ManifestInfos(t.Context(), 1, "a", q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, m := range page {
				got = append(got, string(m.Digest))
			}
			q.After = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("order %d: %q, want %q", order, got, want)
		}
	}
}

// TestPagesOfReferrers pages through referrers of several artifact types, of
// one, and through some that are too large for one page.
func TestPagesOfReferrers(t *testing.T) { eachEngine(t, testPagesOfReferrers) }

func testPagesOfReferrers(t *testing.T, open opener) {
	db, _ := openAt(t, open)
	subject := digest.FromString("subject")
	put := func(raw, artifactType, note string) {
		m := manifestOf(raw, "x")
		m.Subject, m.Descriptor.ArtifactType = subject, artifactType
		m.Descriptor.Annotations = map[string]string{"note": note}
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", m, nil, "") })
	}
	for i, typ := range []string{"", "b/x", "a/x", "b/x", "a.x"} {
		put(fmt.Sprint("r", i), typ, "")
	}
	pages := func(artifactType string, n int) (sizes []int) {
		t.Helper()
		for after := ""; len(sizes) < 20; {
			list, next, err := db.Referrers(t.Context(), 1, "a", subject, artifactType, after, n)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, strings.Count(string(list), `"digest"`))
			if after = next; after == "" {
				break
			}
		}
		return sizes
	}
	for _, c := range []struct {
		artifactType string
		n            int
		want         []int
	}{{"", 1, []int{1, 1, 1, 1, 1}}, {"", 2, []int{2, 2, 1}}, {"", 5, []int{5}}, {"b/x", 1, []int{1, 1}}, {"b/x", 2, []int{2}}, {"c/x", 2, []int{0}}} {
		if got := pages(c.artifactType, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%q by %d: pages of %v, want %v", c.artifactType, c.n, got, c.want)
		}
	}
	for i := range 3 {
		put(fmt.Sprint("large", i), "large", strings.Repeat("x", maxReferrersPage*2/3))
	}
	if got := pages("large", 10); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("large ones: pages of %v", got)
	}
}

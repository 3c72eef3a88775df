package acrapi

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// The answers of the API. Lists have no omitempty: clients want the key, and
// null for an empty list.
type (
	catalog struct {
		Repositories []string `json:"repositories"`
	}

	// image begins every answer about a repository.
	image struct {
		Registry  string `json:"registry"` // login server
		ImageName string `json:"imageName"`
	}

	repository struct {
		image
		CreatedTime    timestamp            `json:"createdTime"`
		LastUpdateTime timestamp            `json:"lastUpdateTime"`
		ManifestCount  int64                `json:"manifestCount"`
		TagCount       int64                `json:"tagCount"`
		Attributes     repositoryAttributes `json:"changeableAttributes"`
	}

	tagList struct {
		image
		Tags []tag `json:"tags"`
	}

	oneTag struct {
		image
		Tag tag `json:"tag"`
	}

	tag struct {
		Name           string        `json:"name"`
		Digest         digest.Digest `json:"digest"`
		CreatedTime    timestamp     `json:"createdTime"`
		LastUpdateTime timestamp     `json:"lastUpdateTime"`
		Signed         bool          `json:"signed"`
		Attributes     attributes    `json:"changeableAttributes"`
	}

	manifestList struct {
		image
		Manifests []manifest `json:"manifests"`
	}

	oneManifest struct {
		image
		Manifest manifest `json:"manifest"`
	}

	manifest struct {
		Digest          digest.Digest `json:"digest"`
		ImageSize       int64         `json:"imageSize"` // bytes, of everything it names
		CreatedTime     timestamp     `json:"createdTime"`
		LastUpdateTime  timestamp     `json:"lastUpdateTime"`
		Architecture    string        `json:"architecture,omitempty"`
		OS              string        `json:"os,omitempty"`
		MediaType       string        `json:"mediaType"`
		ConfigMediaType string        `json:"configMediaType,omitempty"`
		ArtifactType    string        `json:"artifactType,omitempty"`
		Tags            []string      `json:"tags"`
		Attributes      attributes    `json:"changeableAttributes"`
		References      []reference   `json:"references,omitempty"` // of an index
	}

	reference struct {
		Digest       digest.Digest `json:"digest"`
		Architecture string        `json:"architecture"`
		OS           string        `json:"os"`
	}

	deletedManifestList struct {
		image
		Manifests []deletedManifest `json:"manifests"`
	}

	deletedManifest struct {
		Digest         digest.Digest `json:"digest"`
		ImageSize      int64         `json:"imageSize"` // bytes, of everything it names
		CreatedTime    timestamp     `json:"createdTime"`
		LastUpdateTime timestamp     `json:"lastUpdateTime"`
		DeletedAt      timestamp     `json:"deletedAt"`
		ExpiresAfter   timestamp     `json:"expiresAfter"` // az adds it itself
		Architecture   string        `json:"architecture,omitempty"`
		OS             string        `json:"os,omitempty"`
		MediaType      string        `json:"mediaType"`
		Attributes     attributes    `json:"changeableAttributes"`
	}

	deletedTagList struct {
		image
		Tags []deletedTag `json:"tags"`
	}

	deletedTag struct {
		Tag          string        `json:"tag"`
		Digest       digest.Digest `json:"digest"`
		DeletedAt    timestamp     `json:"deletedAt"`
		ExpiresAfter timestamp     `json:"expiresAfter"`
	}

	// deleted is what a deleted repository took with it.
	deleted struct {
		Manifests []digest.Digest `json:"manifestsDeleted"`
		Tags      []string        `json:"tagsDeleted"`
	}

	// attributes are the locks of something, the other way round.
	attributes struct {
		DeleteEnabled bool `json:"deleteEnabled"`
		WriteEnabled  bool `json:"writeEnabled"`
		ReadEnabled   bool `json:"readEnabled"`
		ListEnabled   bool `json:"listEnabled"`
	}

	repositoryAttributes struct {
		attributes
		TeleportEnabled bool `json:"teleportEnabled"` // always false
	}
)

// timestamp is a time as ACR writes it: UTC, with seven decimals.
type timestamp time.Time

// MarshalText formats the time.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, "2006-01-02T15:04:05.0000000Z"), nil
}

func newAttributes(l meta.Locks) attributes {
	return attributes{
		DeleteEnabled: l&meta.NoDelete == 0,
		WriteEnabled:  l&meta.NoWrite == 0,
		ReadEnabled:   l&meta.NoRead == 0,
		ListEnabled:   l&meta.NoList == 0,
	}
}

func newRepository(i image, info *meta.RepositoryInfo) repository {
	return repository{
		image:          i,
		CreatedTime:    timestamp(info.Created),
		LastUpdateTime: timestamp(info.Updated),
		ManifestCount:  info.ManifestCount,
		TagCount:       info.TagCount,
		Attributes:     repositoryAttributes{attributes: newAttributes(info.Locks)},
	}
}

func newTag(info *meta.TagInfo) tag {
	return tag{
		Name:           info.Name,
		Digest:         info.Digest,
		CreatedTime:    timestamp(info.Created),
		LastUpdateTime: timestamp(info.Updated),
		Attributes:     newAttributes(info.Locks),
	}
}

func newDeletedManifest(m *meta.DeletedManifest) deletedManifest {
	return deletedManifest{
		Digest:         m.Digest,
		ImageSize:      m.ImageSize,
		CreatedTime:    timestamp(m.Created),
		LastUpdateTime: timestamp(m.Updated),
		DeletedAt:      timestamp(m.Deleted),
		ExpiresAfter:   timestamp(m.Expires),
		Architecture:   m.Architecture,
		OS:             m.OS,
		MediaType:      m.MediaType,
		Attributes:     newAttributes(m.Locks),
	}
}

func newManifest(info *meta.ManifestInfo) manifest {
	return manifest{
		Digest:          info.Digest,
		ImageSize:       info.ImageSize,
		CreatedTime:     timestamp(info.Created),
		LastUpdateTime:  timestamp(info.Updated),
		Architecture:    info.Architecture,
		OS:              info.OS,
		MediaType:       info.MediaType,
		ConfigMediaType: info.ConfigType,
		ArtifactType:    info.ArtifactType,
		Tags:            info.Tags,
		Attributes:      newAttributes(info.Locks),
	}
}

package api

import "net/http"

// meaning is what a code stands for, the same each time.
type meaning struct {
	status int
	title  string
}

// meanings is the table of all codes (rule 10.6): openapi.yaml's ErrorCode, no more
// and no less.
var meanings = map[ErrorCode]meaning{
	ErrorCodeInvalidJSON:          {http.StatusBadRequest, "Malformed JSON"},
	ErrorCodeUnsupportedCommand:   {http.StatusBadRequest, "Unsupported command"},
	ErrorCodeUnauthorized:         {http.StatusUnauthorized, "Credentials wanted"},
	ErrorCodeForbidden:            {http.StatusForbidden, "Not allowed"},
	ErrorCodeNotFound:             {http.StatusNotFound, "Not found"},
	ErrorCodeUnknownBoot:          {http.StatusNotFound, "Unknown boot"},
	ErrorCodeMethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	ErrorCodeRolloutInProgress:    {http.StatusConflict, "Rollout in progress"},
	ErrorCodeNoLiveOccurrence:     {http.StatusConflict, "Nobody is live"},
	ErrorCodeHeld:                 {http.StatusConflict, "On hold"},
	ErrorCodeNotAllowed:           {http.StatusConflict, "Not in this state"},
	ErrorCodeStaleVersion:         {http.StatusConflict, "Stale version"},
	ErrorCodeNothingToRetry:       {http.StatusConflict, "Nothing to retry"},
	ErrorCodeClaimHeld:            {http.StatusConflict, "Claim held"},
	ErrorCodeClaimLost:            {http.StatusConflict, "Claim lost"},
	ErrorCodeAlreadyDecided:       {http.StatusConflict, "Already decided"},
	ErrorCodeNotACandidate:        {http.StatusConflict, "Not a candidate"},
	ErrorCodeBootReplaced:         {http.StatusConflict, "Boot replaced"},
	ErrorCodeBootStopped:          {http.StatusConflict, "Boot stopped"},
	ErrorCodeWithdrawn:            {http.StatusConflict, "Withdrawn"},
	ErrorCodeExpired:              {http.StatusConflict, "Expired"},
	ErrorCodeInProgress:           {http.StatusConflict, "Still running"},
	ErrorCodeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "Body too large"},
	ErrorCodeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	ErrorCodeValidationFailed:     {http.StatusUnprocessableEntity, "Not acceptable"},
	ErrorCodeIdempotencyKeyReused: {http.StatusUnprocessableEntity, "Key used before"},
	ErrorCodeRateLimited:          {http.StatusTooManyRequests, "Too many requests"},
	ErrorCodeInternal:             {http.StatusInternalServerError, "Internal error"},
	ErrorCodeUnavailable:          {http.StatusServiceUnavailable, "Database away"},
}

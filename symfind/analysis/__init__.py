"""The stages of an analysis: the subject, its factors, their verification, the certificate."""

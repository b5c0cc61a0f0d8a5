/** A certificate authority of a test, made with the `openssl` command. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const SETTINGS = `[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
rand_serial = yes
certificate = authority.pem
private_key = authority.key
default_md = default
copy_extensions = copy
unique_subject = no
policy = anything
x509_extensions = leaf
[anything]
commonName = optional
[leaf]
basicConstraints = CA:FALSE
`;
const USUAL = { from: '20200101000000Z', until: '20990101000000Z' } as const;
/** Ended long ago. */
export const EXPIRED = { from: '20200101000000Z', until: '20210101000000Z' } as const;

export type CertificateFiles = { readonly certificate_file: string; readonly key_file: string; readonly ca_file: string };

export type CertificateWish = {
  /** As openssl names them: `IP:127.0.0.1`, `DNS:a.example`. */
  readonly names: string;
  readonly validity?: { readonly from: string; readonly until: string };
  /** A line of openssl's settings, such as `extendedKeyUsage=clientAuth`. */
  readonly extension?: string;
  /** An algorithm of `openssl genpkey`; Ed25519 if absent. */
  readonly key?: readonly string[];
};

export class Authority {
  readonly file: string;
  readonly #folder: string;
  #count = 0;

  /** Makes an authority whose files lie in a folder of its own below `parent`. */
  constructor(parent: string, name: string) {
    this.#folder = path.join(parent, name);
    this.file = path.join(this.#folder, 'authority.pem');
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(path.join(this.#folder, 'settings'), SETTINGS);
    writeFileSync(path.join(this.#folder, 'index.txt'), '');
    this.#openssl('genpkey', '-algorithm', 'ed25519', '-out', 'authority.key');
    const subject = ['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE'];
    this.#openssl('req', '-x509', '-new', '-key', 'authority.key', '-days', '3650', ...subject, '-out', 'authority.pem');
  }

  /** The authority's certificate. */
  get pem(): string {
    return readFileSync(this.file, 'utf8');
  }

  /** Makes a key and a certificate for it, as texts. */
  issue(wish: CertificateWish): { readonly certificate: string; readonly key: string } {
    this.#count += 1;
    const name = `leaf-${this.#count}`;
    const { from, until } = wish.validity ?? USUAL;
    this.#openssl('genpkey', ...(wish.key ?? ['-algorithm', 'ed25519']), '-out', `${name}.key`);
    const extensions = ['-addext', `subjectAltName=${wish.names}`, ...(wish.extension === undefined ? [] : ['-addext', wish.extension])];
    this.#openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, ...extensions, '-out', `${name}.request`);
    const period = ['-startdate', from, '-enddate', until];
    this.#openssl('ca', '-batch', '-notext', '-config', 'settings', ...period, '-in', `${name}.request`, '-out', `${name}.pem`);
    const read = (ending: string): string => readFileSync(path.join(this.#folder, `${name}.${ending}`), 'utf8');
    return { certificate: read('pem'), key: read('key') };
  }

  #openssl(...words: readonly string[]): void {
    execFileSync('openssl', words, { cwd: this.#folder, stdio: 'pipe' });
  }
}

/** Puts a node's certificate, key and authorities into files of a folder, replacing each as a whole. */
export function placeCertificate(
  folder: string,
  parts: { readonly certificate: string; readonly key: string; readonly authority: string },
): CertificateFiles {
  mkdirSync(folder, { recursive: true });
  const place = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    return file;
  };
  return {
    certificate_file: place('tls.crt', parts.certificate),
    key_file: place('tls.key', parts.key),
    ca_file: place('ca.crt', parts.authority),
  };
}

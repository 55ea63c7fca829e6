/** The words of the pages behind links in messages, by language. `en` first: where a language is not here, it is English. */
import type { Channel } from '@carillon/contracts';

export interface PageTexts {
  lang: string;
  kinds: Record<Channel, string>;
  marketing: (kind: string) => string;
  about: (kind: string, topic: string) => string;
  to: (address: string) => string;
  unsubscribeTitle: (sender: string) => string;
  unsubscribeAsk: string;
  willStop: (sender: string, what: string, where: string) => string;
  unsubscribe: string;
  stopAll: (kind: string) => string;
  stillArrive: string;
  doneTitle: string;
  done: (sender: string, what: string, where: string) => string;
  choose: string;
  goneTitle: string;
  gone: string;
  /** Of what the link led to. */
  forgottenTitle: string;
  forgotten: string;
  preferencesTitle: (sender: string) => string;
  preferencesAsk: (kind: string, where: string) => string;
  topics: string;
  noTopics: string;
  all: (kind: string) => string;
  save: string;
  saved: string;
  outOfAll: (kind: string) => string;
  blocked: (kind: string) => string;
  unblock: string;
  confirmTitle: string;
  confirmAsk: (sender: string, topic: string) => string;
  confirm: string;
  confirmed: (topic: string) => string;
}

const en: PageTexts = {
  lang: 'en',
  kinds: {
    email: 'emails',
    sms: 'text messages',
    push: 'push notifications',
    'in-app': 'messages in the app',
  },
  marketing: (kind) => `marketing ${kind}`,
  about: (kind, topic) => `${kind} about “${topic}”`,
  to: (address) => ` to ${address}`,
  unsubscribeTitle: (sender) => `Unsubscribe from ${sender}`,
  unsubscribeAsk: 'Unsubscribe?',
  willStop: (sender, what, where) => `${sender} will stop sending ${what}${where}.`,
  unsubscribe: 'Unsubscribe',
  stopAll: (kind) => `Stop all marketing ${kind}`,
  stillArrive: 'Messages you ask for yourself, such as receipts and sign-in codes, still arrive.',
  doneTitle: 'You are unsubscribed',
  done: (sender, what, where) =>
    `${sender} has stopped sending ${what}${where}. There is nothing more to do.`,
  choose: 'Choose what you get',
  goneTitle: 'This link does not work',
  forgottenTitle: 'This is no longer kept',
  forgotten: 'What this link led to has been erased, or is older than it is kept.',
  gone: 'It was cut short or changed on its way. Open it again from the message itself.',
  preferencesTitle: (sender) => `What ${sender} sends you`,
  preferencesAsk: (kind, where) => `Choose which ${kind} you want to get${where}.`,
  topics: 'Topics',
  noTopics: 'There are no topics to choose from.',
  all: (kind) => `Stop all marketing ${kind}`,
  save: 'Save',
  saved: 'Your choice is saved, and holds from now on.',
  outOfAll: (kind) => `You get no marketing ${kind}. Tick a topic to get it again.`,
  blocked: (kind) => `You have stopped all ${kind}. As long as that holds, none of these arrive.`,
  unblock: 'Allow messages again',
  confirmTitle: 'Confirm your subscription',
  confirmAsk: (sender, topic) => `${sender} will send you “${topic}” once you confirm it.`,
  confirm: 'Yes, I want this',
  confirmed: (topic) => `Your subscription to “${topic}” is confirmed.`,
};

const de: PageTexts = {
  lang: 'de',
  kinds: { email: 'E-Mails', sms: 'SMS', push: 'Push-Nachrichten', 'in-app': 'Nachrichten in der App' },
  // It stands after “keine”.
  marketing: (kind) => `werblichen ${kind}`,
  about: (kind, topic) => `${kind} zu „${topic}“`,
  to: (address) => ` an ${address}`,
  unsubscribeTitle: (sender) => `Abmelden von ${sender}`,
  unsubscribeAsk: 'Abmelden?',
  willStop: (sender, what, where) => `${sender} sendet dann keine ${what}${where} mehr.`,
  unsubscribe: 'Abmelden',
  stopAll: (kind) => `Keine werblichen ${kind} mehr`,
  stillArrive: 'Nachrichten, die Sie selbst anfordern, etwa Belege und Anmeldecodes, kommen weiterhin an.',
  doneTitle: 'Sie sind abgemeldet',
  done: (sender, what, where) => `${sender} sendet keine ${what}${where} mehr. Mehr ist nicht zu tun.`,
  choose: 'Auswählen, was Sie bekommen',
  goneTitle: 'Dieser Link funktioniert nicht',
  forgottenTitle: 'Das gibt es nicht mehr',
  forgotten: 'Wohin dieser Link führte, wurde gelöscht oder ist älter, als es aufbewahrt wird.',
  gone: 'Er wurde unterwegs gekürzt oder verändert. Öffnen Sie ihn noch einmal aus der Nachricht.',
  preferencesTitle: (sender) => `Was ${sender} Ihnen sendet`,
  preferencesAsk: (kind, where) => `Wählen Sie, welche ${kind}${where} Sie bekommen möchten.`,
  topics: 'Themen',
  noTopics: 'Es gibt keine Themen zur Auswahl.',
  all: (kind) => `Keine werblichen ${kind} mehr`,
  save: 'Speichern',
  saved: 'Ihre Auswahl ist gespeichert und gilt ab sofort.',
  outOfAll: (kind) =>
    `Sie bekommen keine werblichen ${kind}. Wählen Sie ein Thema, um es wieder zu bekommen.`,
  blocked: (kind) => `Sie haben alle ${kind} abbestellt. Solange das gilt, kommt nichts hiervon an.`,
  unblock: 'Nachrichten wieder erlauben',
  confirmTitle: 'Anmeldung bestätigen',
  confirmAsk: (sender, topic) => `${sender} sendet Ihnen „${topic}“, sobald Sie es bestätigen.`,
  confirm: 'Ja, das möchte ich',
  confirmed: (topic) => `Ihre Anmeldung zu „${topic}“ ist bestätigt.`,
};

/** Before a vowel `de` is cut. */
const ofFr = (what: string): string => (/^[aeiouyéè]/i.test(what) ? `d’${what}` : `de ${what}`);
const allFr = (kind: string): string =>
  kind.startsWith('notifications') ? `toutes les ${kind}` : `tous les ${kind}`;
const fr: PageTexts = {
  lang: 'fr',
  kinds: { email: 'e-mails', sms: 'SMS', push: 'notifications', 'in-app': 'messages dans l’application' },
  marketing: (kind) => `${kind} publicitaires`,
  about: (kind, topic) => `${kind} sur « ${topic} »`,
  to: (address) => ` à ${address}`,
  unsubscribeTitle: (sender) => `Se désabonner de ${sender}`,
  unsubscribeAsk: 'Se désabonner ?',
  willStop: (sender, what, where) => `${sender} n’enverra plus ${ofFr(what)}${where}.`,
  unsubscribe: 'Se désabonner',
  stopAll: (kind) => `Arrêter ${allFr(kind)} publicitaires`,
  stillArrive:
    'Les messages que vous demandez vous-même, comme les reçus et les codes de connexion, arrivent toujours.',
  doneTitle: 'Vous êtes désabonné',
  done: (sender, what, where) =>
    `${sender} n’envoie plus ${ofFr(what)}${where}. Vous n’avez rien d’autre à faire.`,
  choose: 'Choisir ce que vous recevez',
  goneTitle: 'Ce lien ne fonctionne pas',
  forgottenTitle: 'Ce n’est plus conservé',
  forgotten: 'Ce à quoi ce lien menait a été effacé, ou est plus ancien que la durée de conservation.',
  gone: 'Il a été coupé ou modifié en route. Ouvrez-le de nouveau depuis le message.',
  preferencesTitle: (sender) => `Ce que ${sender} vous envoie`,
  preferencesAsk: (kind, where) => `Choisissez les ${kind} que vous souhaitez recevoir${where}.`,
  topics: 'Thèmes',
  noTopics: 'Il n’y a aucun thème à choisir.',
  all: (kind) => `Arrêter ${allFr(kind)} publicitaires`,
  save: 'Enregistrer',
  saved: 'Votre choix est enregistré et s’applique dès maintenant.',
  outOfAll: (kind) =>
    `Vous ne recevez pas ${ofFr(kind)} publicitaires. Cochez un thème pour le recevoir de nouveau.`,
  blocked: (kind) => `Vous avez arrêté ${allFr(kind)}. Tant que cela dure, rien de ceci n’arrive.`,
  unblock: 'Autoriser de nouveau les messages',
  confirmTitle: 'Confirmer votre abonnement',
  confirmAsk: (sender, topic) => `${sender} vous enverra « ${topic} » dès que vous l’aurez confirmé.`,
  confirm: 'Oui, je le souhaite',
  confirmed: (topic) => `Votre abonnement à « ${topic} » est confirmé.`,
};

const isFeminine = (kind: string): boolean => kind === 'notificaciones';
const adsEs = (kind: string): string => `${kind} ${isFeminine(kind) ? 'publicitarias' : 'publicitarios'}`;
const es: PageTexts = {
  lang: 'es',
  kinds: { email: 'correos', sms: 'SMS', push: 'notificaciones', 'in-app': 'mensajes en la aplicación' },
  marketing: adsEs,
  about: (kind, topic) => `${kind} sobre «${topic}»`,
  to: (address) => ` a ${address}`,
  unsubscribeTitle: (sender) => `Darse de baja de ${sender}`,
  unsubscribeAsk: '¿Darse de baja?',
  willStop: (sender, what, where) => `${sender} dejará de enviar ${what}${where}.`,
  unsubscribe: 'Darse de baja',
  stopAll: (kind) => `No recibir más ${adsEs(kind)}`,
  stillArrive: 'Los mensajes que usted pide, como recibos y códigos de acceso, siguen llegando.',
  doneTitle: 'Se ha dado de baja',
  done: (sender, what, where) =>
    `${sender} ha dejado de enviar ${what}${where}. No tiene que hacer nada más.`,
  choose: 'Elegir lo que recibe',
  goneTitle: 'Este enlace no funciona',
  forgottenTitle: 'Ya no se conserva',
  forgotten: 'Aquello a lo que llevaba este enlace se ha borrado o es más antiguo de lo que se guarda.',
  gone: 'Se cortó o cambió por el camino. Ábralo de nuevo desde el mensaje.',
  preferencesTitle: (sender) => `Lo que ${sender} le envía`,
  preferencesAsk: (kind, where) => `Elija qué ${kind} quiere recibir${where}.`,
  topics: 'Temas',
  noTopics: 'No hay temas para elegir.',
  all: (kind) => `No recibir más ${adsEs(kind)}`,
  save: 'Guardar',
  saved: 'Su elección está guardada y vale desde ahora.',
  outOfAll: (kind) => `No recibe ${adsEs(kind)}. Marque un tema para volver a recibirlo.`,
  blocked: (kind) =>
    `Ha detenido ${isFeminine(kind) ? 'todas las' : 'todos los'} ${kind}. Mientras sea así, nada de esto llega.`,
  unblock: 'Permitir mensajes de nuevo',
  confirmTitle: 'Confirme su suscripción',
  confirmAsk: (sender, topic) => `${sender} le enviará «${topic}» cuando lo confirme.`,
  confirm: 'Sí, lo quiero',
  confirmed: (topic) => `Su suscripción a «${topic}» está confirmada.`,
};

const languages = new Map([en, de, fr, es].map((texts) => [texts.lang, texts]));

/**
 * In the language of the person, as the profile says it; without one, as their browser does.
 * @param acceptLanguage RFC 9110 section 12.5.4; its order is taken for its weights, as browsers write it
 */
export function textsFor(locale: string | null, acceptLanguage: string | undefined): PageTexts {
  const wanted = [
    ...(locale === null ? [] : [locale]),
    ...(acceptLanguage ?? '')
      .slice(0, 500)
      .split(',')
      .map((part) => part.split(';')[0]?.trim() ?? ''),
  ];
  for (const tag of wanted) {
    const found = languages.get(tag.toLowerCase().split('-')[0] ?? '');
    if (found) return found;
  }
  return en;
}

/** A text by locale, in the nearest one to the language of the page. */
export function localised(
  texts: Readonly<Record<string, string>>,
  locale: string | null,
  lang: string,
): string {
  const keys = Object.keys(texts);
  const base = (tag: string) => tag.toLowerCase().split('-')[0];
  const key =
    keys.find((k) => locale !== null && k.toLowerCase() === locale.toLowerCase()) ??
    keys.find((k) => base(k) === lang) ??
    keys.find((k) => base(k) === 'en') ??
    keys[0];
  return key === undefined ? '' : (texts[key] ?? '');
}

/** Keys under which the decorators of operation.ts leave word for the guard and for whoever looks at handlers. */
export const OPERATION = 'carillon:operation';
export const PUBLIC = 'carillon:public';

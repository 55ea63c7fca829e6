/** Keys under which the decorators of operation.ts leave word for the guard and the interceptor. */
export const OPERATION = 'carillon:operation';
export const PUBLIC = 'carillon:public';
